"""The personal centre and its API: one's own account, nobody else's."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils.timezone import now

from accounts import notifications
from accounts.models import SecurityEvent, TokenFamily
from accounts.tasks import forget_old_rows
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.programs import Program, mails_to
from orgs.tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db
ACCOUNT = "/api/v1/account/"


@pytest.fixture
def person():
    return MembershipFactory(role="owner").user


@pytest.fixture
def program(person):
    return Program(person)


@pytest.fixture
def page(client, person):
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    return client


@pytest.fixture
def kinds(monkeypatch):
    monkeypatch.setattr(notifications, "_kinds", {})
    notifications.register_notification("task_assigned", "Tasks for you", "When one waits.")
    notifications.register_notification("run_failed", "Failed runs")


# -- preferences


def test_preferences_are_shown_and_changed(program, person, kinds):
    sent = {"name": " Ada ", "language": "zh-hans", "time_zone": "Asia/Shanghai",
            "muted": ["run_failed"]}  # fmt: skip

    answer = program.api().patch(ACCOUNT, sent)

    assert answer.status_code == 200
    assert answer.json() == program.api().get(ACCOUNT).json()
    assert (answer.json()["name"], answer.json()["time_zone"]) == ("Ada", "Asia/Shanghai")
    assert answer.json()["notifications"] == {"task_assigned": True, "run_failed": False}
    person.refresh_from_db()
    assert notifications.wants(person, "task_assigned")
    assert not notifications.wants(person, "run_failed")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"time_zone": "Mars/Olympus"}, "invalid_input"),
        ({"language": "tlh"}, "invalid_input"),
        ({"muted": ["unheard_of"]}, "unknown_notification"),
        ({"name": "x" * 121}, "invalid_input"),
    ],
)
def test_bad_preferences_change_nothing(program, person, sent, code):
    answer = program.api().patch(ACCOUNT, {"name": "New"} | sent)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    before = person.name
    person.refresh_from_db()
    assert person.name == before


def test_nobody_makes_themselves_more_than_they_are(program, person):
    program.api().patch(ACCOUNT, {"is_staff": True, "email": "root@example.com", "name": "x"})

    person.refresh_from_db()
    assert (person.is_staff, person.email, person.name) == (False, program.user.email, "x")


def test_pages_speak_the_persons_language_and_keep_their_time(page, person):
    sent = {"name": "Ada", "language": "zh-hans", "time_zone": "Asia/Tokyo"}
    page.post("/account/", sent)
    SecurityEvent.objects.create(user_id=person.pk, kind="signed_in")

    text = page.get("/account/security-log/", headers={"Accept-Language": "en"}).content.decode()

    assert 'lang="zh-hans"' in text
    local = now().astimezone(__import__("zoneinfo").ZoneInfo("Asia/Tokyo"))
    assert local.strftime("%H:") in text
    assert 'lang="en"' in Client().get("/accounts/login/").content.decode()


def test_the_language_switch_is_remembered_with_the_account(page, person):
    page.post("/i18n/setlang/", {"language": "zh-hans"})

    person.refresh_from_db()
    assert person.language == "zh-hans"


def test_notifications_are_chosen_on_the_page(page, person, kinds):
    assert "When one waits." in page.get("/account/notifications/").content.decode()

    page.post("/account/notifications/", {"task_assigned": "on"})

    person.refresh_from_db()
    assert person.muted == ["run_failed"]


# -- sessions


def test_a_session_is_ended_from_another_device_with_its_tokens_at_once(page, person, program):
    row = UserSession.objects.get(user_agent="cli/1")
    listed = page.get("/account/sessions/").content.decode()
    assert f"/account/sessions/{row.pk}/end/" in listed

    asked = page.post(f"/account/sessions/{row.pk}/end/")
    assert asked.url.startswith("/accounts/reauthenticate/")
    assert program.allowed()
    page.post(asked.url, {"password": PASSWORD})

    assert not program.allowed()
    assert program.renew().status_code == 400
    assert page.get("/account/").status_code == 200
    assert SecurityEvent.objects.filter(kind="session_ended", user_id=person.pk).exists()


def test_a_program_sees_and_ends_the_others(program, person, page):
    second = Program(person, agent="cli/2")
    rows = program.api().get(f"{ACCOUNT}sessions/").json()["results"]
    assert [row["current"] for row in rows].count(True) == 1
    assert len(rows) == 3

    refused = program.api().delete(f"{ACCOUNT}sessions/")
    assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_required")
    assert second.allowed()
    program.reauthenticate()
    answer = program.api().delete(f"{ACCOUNT}sessions/")

    assert answer.json() == {"ended": 2}
    assert program.allowed()
    assert not second.allowed()
    assert page.get("/account/").status_code == 302


def test_somebody_elses_session_is_not_there(program):
    other = Program(UserFactory())
    row = UserSession.objects.get(user=other.user)
    program.reauthenticate()

    answer = program.api().delete(f"{ACCOUNT}sessions/{row.pk}/")

    assert answer.status_code == 404
    assert other.allowed()
    listed = program.api().get(f"{ACCOUNT}sessions/").json()["results"]
    assert row.pk not in [each["id"] for each in listed]


@pytest.mark.parametrize("path", ["sessions/{pk}/", "sessions/"])
def test_a_stolen_token_ends_no_session(program, person, path):
    other = Program(person, agent="cli/2")
    row = UserSession.objects.get(user_agent="cli/2")

    answer = program.api().delete(ACCOUNT + path.format(pk=row.pk))

    assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")
    assert other.allowed()


def test_the_page_ends_all_others_only_after_the_password(page, program):
    asked = page.post("/account/sessions/end/")
    assert program.allowed()

    page.post(asked.url, {"password": PASSWORD})

    assert not program.allowed()
    assert page.get("/account/").status_code == 200


def test_a_person_has_so_many_sessions_and_the_oldest_ends(person, settings):
    settings.SESSIONS_PER_PERSON = 2
    first, second = Program(person, agent="cli/1"), Program(person, agent="cli/2")
    second.api().get(ACCOUNT)
    UserSession.objects.filter(user_agent="cli/2").update(last_seen_at=now() - timedelta(hours=1))
    stranger = Program(UserFactory())

    third = Program(person, agent="cli/3")

    assert [first.allowed(), second.allowed(), third.allowed()] == [True, False, True]
    assert stranger.allowed()
    assert SecurityEvent.objects.filter(kind="session_ended", user_id=person.pk).count() == 1


def test_without_a_limit_there_are_as_many_as_one_likes(person, settings):
    settings.SESSIONS_PER_PERSON = 0

    programs = [Program(person) for _ in range(3)]

    assert all(each.allowed() for each in programs)


def test_a_new_password_ends_every_other_session(page, person, program):
    page.post("/accounts/reauthenticate/", {"password": PASSWORD})
    new = {"oldpassword": PASSWORD, "password1": "a-brand-new-pass",
           "password2": "a-brand-new-pass"}  # fmt: skip
    page.post("/accounts/password/change/", new)

    assert not program.allowed()
    assert program.renew().status_code == 400
    assert page.get("/account/").status_code == 200
    assert UserSession.objects.filter(user=person).count() == 1
    assert any("assword" in mail.subject for mail in mails_to(person))


def test_signing_out_ends_the_tokens_too(program):
    from accounts.tests.programs import AUTH  # noqa: PLC0415

    program.api().delete(f"{AUTH}/auth/session")

    assert not TokenFamily.objects.filter(ended_at=None).exists()
    assert not UserSession.objects.exists()


def test_lists_cost_the_same_however_long(program, person, django_assert_max_num_queries):
    for number in range(30):
        SecurityEvent.objects.create(user_id=person.pk, kind="signed_in")
        UserSession.objects.create(
            user=person, session_key=f"k{number}", ip="127.0.0.1", user_agent="x"
        )
    for path in ("sessions/", "security-events/"):
        with django_assert_max_num_queries(5):
            assert len(program.api().get(f"{ACCOUNT}{path}").json()["results"]) == 25


# -- the log


def test_the_log_tells_of_good_and_bad_and_of_no_one_else(program, page, person):
    stranger = Client(REMOTE_ADDR="203.0.113.66", headers={"User-Agent": "evil/1"})
    stranger.post("/accounts/login/", {"login": person.email, "password": "wrong"})
    SecurityEvent.objects.create(user_id=UserFactory().pk, kind="signed_in")

    rows = program.api().get(f"{ACCOUNT}security-events/").json()["results"]

    assert [row["kind"] for row in rows] == ["sign_in_failed", "signed_in", "signed_in"]
    assert (rows[0]["ip"], rows[0]["user_agent"]) == ("203.0.113.66", "evil/1")
    assert "203.0.113.66" in page.get("/account/security-log/").content.decode()


def test_an_address_without_an_account_is_noted_without_a_name(client):
    client.post("/accounts/login/", {"login": "my-password-typed-here@x.example", "password": "x"})

    row = SecurityEvent.objects.get()
    assert (row.kind, row.user_id, row.data) == ("sign_in_failed", None, {})


def test_the_log_is_paged_on_the_page(page, person):
    for _ in range(60):
        SecurityEvent.objects.create(user_id=person.pk, kind="factor_failed")

    first = page.get("/account/security-log/").content.decode()
    older = first.partition('href="?before=')[2].partition('"')[0]

    assert first.count("Second factor failed") == 50
    assert (
        page.get(f"/account/security-log/?before={older}")
        .content.decode()
        .count("Second factor failed")
        == 10
    )
    assert page.get("/account/security-log/?before=x").status_code == 200


def test_the_database_refuses_to_rewrite_an_event(person):
    row = SecurityEvent.objects.create(user_id=person.pk, kind="signed_in")

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        SecurityEvent.objects.filter(pk=row.pk).update(kind="signed_out")

    assert SecurityEvent.objects.get(pk=row.pk).kind == "signed_in"


def test_retention_drops_what_is_old_and_only_that(person, settings):
    old = SecurityEvent.objects.create(user_id=person.pk, kind="signed_in")
    settings.SECURITY_LOG_DAYS = 0
    assert forget_old_rows() == 1
    assert not SecurityEvent.objects.filter(pk=old.pk).exists()
    settings.SECURITY_LOG_DAYS = 400
    SecurityEvent.objects.create(user_id=person.pk, kind="signed_in")

    assert forget_old_rows() == 0
    assert SecurityEvent.objects.count() == 1
