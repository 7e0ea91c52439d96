"""A session ends after a rest that is too long, and however busy after two weeks."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.utils.timezone import now

from accounts.tests.factories import PASSWORD
from orgs.tests.factories import OrganizationFactory, person_in

pytestmark = [pytest.mark.django_db, pytest.mark.services]


@pytest.fixture
def client():
    client = Client()
    user = person_in(OrganizationFactory())[0]
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert client.get("/").status_code == 200
    return client


def later(**changes):
    """What the clock would have done."""
    UserSession.objects.update(**changes)
    cache.clear()


def test_a_session_in_use_goes_on(client):
    later(last_seen_at=now() - timedelta(hours=1))

    assert client.get("/").status_code == 200
    assert UserSession.objects.get().last_seen_at > now() - timedelta(minutes=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"last_seen_at": now() - timedelta(seconds=settings.SESSION_IDLE_AGE + 60)},
        {"created_at": now() - timedelta(seconds=settings.SESSION_COOKIE_AGE + 60)},
    ],
    ids=["rested", "old"],
)
def test_a_session_that_rested_or_is_old_has_ended(client, changes):
    kept = client.cookies["loomwork_session"].value
    later(**changes)

    answer = client.get("/")
    client.cookies["loomwork_session"] = kept
    again = client.get("/api/v1/me/")

    assert (answer.status_code, answer.url) == (302, "/accounts/login/?next=/")
    assert again.status_code == 401
