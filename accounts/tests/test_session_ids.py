"""The id of a session: new at every sign-in, worthless after sign-out. Passwords as typed."""

import pytest
from django.conf import settings
from django.test import Client

from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple 7"


@pytest.fixture
def person():
    user = UserFactory()
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(client, person):
    form = {"login": person.email, "password": PASSWORD}
    assert client.post("/accounts/login/", form).status_code == 302
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def test_signing_in_makes_a_new_session(client, person):
    planted = client.session
    planted["planted"] = True
    planted.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = planted.session_key

    first = sign_in(client, person)
    second = sign_in(Client(), person)

    assert len({planted.session_key, first, second}) == 3
    assert all(len(each) >= 32 for each in (first, second))
    stranger = Client()
    stranger.cookies[settings.SESSION_COOKIE_NAME] = planted.session_key
    assert stranger.get("/api/v1/account/").status_code == 401


def test_a_session_that_was_signed_out_opens_nothing(client, person):
    cookie = sign_in(client, person)
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = cookie
    assert thief.get("/api/v1/account/").status_code == 200

    client.post("/accounts/logout/")

    assert thief.get("/api/v1/account/").status_code == 401


def test_a_password_is_taken_exactly_as_typed(client, person):
    exact = "  Blanks before, behind and 空白 " + "x" * 60 + " "
    person.set_password(exact)
    person.save()

    for other in (exact.strip(), exact.lower(), exact[:64]):
        client.post("/accounts/login/", {"login": person.email, "password": other})
        assert client.get("/api/v1/account/").status_code == 401
    client.post("/accounts/login/", {"login": person.email, "password": exact})
    assert client.get("/api/v1/account/").status_code == 200
