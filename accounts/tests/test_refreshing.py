"""A refresh token works once; a copy of it ends the session it came from."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.db import connections
from django.utils.timezone import now

from accounts.models import SecurityEvent, TokenFamily
from accounts.tests.factories import UserFactory
from accounts.tests.programs import AUTH, Program, mails_to
from orgs.tests.test_races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return Program(UserFactory())


def later(seconds=11):
    """As if the last exchange lay that far back."""
    moment = (now() - timedelta(seconds=seconds)).replace(microsecond=0)
    TokenFamily.objects.update(issued_at=moment)


def test_a_refresh_token_gives_the_next_pair(program):
    old = program.refresh

    program.take(program.renew().json()["data"])

    assert program.refresh != old
    assert program.allowed()


def test_a_token_that_comes_again_ends_the_whole_session(program):
    stolen, other = program.refresh, Program(program.user)
    program.take(program.renew().json()["data"])
    later()

    answer = program.renew(stolen)

    assert answer.status_code == 400
    assert not program.allowed()
    assert program.renew().status_code == 400
    assert SecurityEvent.objects.filter(kind="token_reused", user_id=program.user.pk).count() == 1
    assert any("session of yours was ended" in each.subject for each in mails_to(program.user))
    assert other.allowed()
    assert UserSession.objects.count() == 1


def test_the_same_client_may_repeat_itself_for_seconds_and_gets_the_same_successor(program):
    first = program.renew().json()["data"]

    again = program.renew().json()["data"]

    assert again["refresh_token"] == first["refresh_token"]
    program.take(again)
    assert program.allowed()
    assert program.renew().status_code == 200


@pytest.mark.parametrize("place", [{"agent": "other/2"}, {"address": "198.51.100.4"}])
def test_somebody_else_may_not_repeat_it_even_at_once(program, place):
    program.take(program.renew().json()["data"])
    used = program.refresh
    program.renew()

    assert program.renew(used, **place).status_code == 400
    assert not program.allowed()


def test_the_last_but_one_is_never_a_repetition(program):
    oldest = program.refresh
    for _ in range(2):
        program.take(program.renew().json()["data"])

    assert program.renew(oldest).status_code == 400
    assert not program.allowed()


def test_a_refresh_token_ends_with_its_session_and_is_no_access_token(program):
    assert (
        program.client()
        .get("/api/v1/account/", headers={"Authorization": f"Bearer {program.refresh}"})
        .status_code
        == 401
    )
    assert program.renew(program.access).status_code == 400

    program.api().delete(f"{AUTH}/auth/session")

    assert program.renew().status_code == 400
    assert not program.allowed()


def test_it_does_not_outlive_its_family(program):
    TokenFamily.objects.update(expires_at=now())

    assert program.renew().status_code == 400
    assert program.allowed()


def test_a_disabled_person_gets_no_new_tokens(program):
    program.user.is_active = False
    program.user.save()

    assert program.renew().status_code == 400


def test_the_endpoint_is_limited_per_visitor(program, settings):
    settings.SIGN_IN_LIMITS = settings.SIGN_IN_LIMITS | {"refresh": "3/m/ip"}
    answers = [program.renew("nonsense").status_code for _ in range(4)]

    assert answers == [400, 400, 400, 429]
    assert program.renew(address="198.51.100.9").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_wins_and_the_rest_get_the_same():
    program = Program(UserFactory())

    answers = at_once(*[program.renew] * 6)

    assert [each.status_code for each in answers] == [200] * 6
    assert len({each.json()["data"]["refresh_token"] for each in answers}) == 1
    program.take(answers[0].json()["data"])
    assert program.renew().status_code == 200
    connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_a_thief_at_the_same_moment_ends_it_whoever_was_first():
    program = Program(UserFactory())

    at_once(program.renew, lambda: program.renew(agent="thief/1"))

    assert not program.allowed()
    assert SecurityEvent.objects.filter(kind="token_reused").count() == 1
    connections.close_all()
