"""Sign-up is all or nothing, sign-in is limited, and neither leads elsewhere."""

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from accounts import signup
from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from orgs.models import Membership, Organization

pytestmark = pytest.mark.django_db
DETAILS = {"name": "Mei Lin", "organization": "Northwind", "email": "mei@example.com"}
FORM = DETAILS | {"password1": PASSWORD, "password2": PASSWORD}
APP = "/api/v1/auth/app/v1/auth"


def test_an_app_signs_somebody_up_with_their_organization(client):
    client.post(f"{APP}/signup", DETAILS | {"password": PASSWORD}, content_type="application/json")

    row = Membership.objects.get(user__email="mei@example.com")
    assert (row.role, row.organization.name) == ("owner", "Northwind")


@pytest.mark.parametrize(
    ("address", "sent", "kind"),
    [
        ("/accounts/signup/", FORM, None),
        (f"{APP}/signup", DETAILS | {"password": PASSWORD}, "application/json"),
    ],
)
def test_a_step_that_fails_leaves_nobody_behind(monkeypatch, address, sent, kind):
    def fail(user, organization_name):
        raise RuntimeError("no")

    monkeypatch.setattr(signup, "_steps", [*signup._steps, fail])
    client = Client(raise_request_exception=False)

    response = client.post(address, sent, **({"content_type": kind} if kind else {}))

    assert response.status_code == 500
    for model in (User, Organization, Membership, EmailAddress):
        assert not model.objects.exists()


def test_guessing_a_password_is_stopped_even_when_the_right_one_comes(client):
    user = UserFactory()
    for _ in range(12):
        client.post("/accounts/login/", {"login": user.email, "password": "wrong"})

    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})

    assert "_auth_user_id" not in client.session


def test_the_limit_follows_the_visitor_behind_our_proxies(client, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    user, visitor = UserFactory(), {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    for number in range(12):
        sent = {"login": f"nobody{number}@example.com", "password": "wrong"}
        client.post("/accounts/login/", sent, headers=visitor)

    right = {"login": user.email, "password": PASSWORD}
    client.post("/accounts/login/", right, headers={"X-Forwarded-For": "6.6.6.7, 203.0.113.9"})
    assert "_auth_user_id" not in client.session
    client.post("/accounts/login/", right, headers={"X-Forwarded-For": "203.0.113.10"})
    assert "_auth_user_id" in client.session


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "\\\\evil.example"]
)
def test_neither_sign_in_nor_language_leads_elsewhere(client, elsewhere):
    sent = {"login": UserFactory().email, "password": PASSWORD, "next": elsewhere}

    entered = client.post("/accounts/login/", sent)
    spoken = client.post("/i18n/setlang/", {"language": "en", "next": elsewhere})

    assert "evil" not in entered.url + spoken.url


def tokens_of(user):
    sent = {"email": user.email, "password": PASSWORD}
    answer = Client().post(f"{APP}/login", sent, content_type="application/json").json()["meta"]
    return {"Authorization": f"Bearer {answer['access_token']}"}


@pytest.mark.parametrize("what", ["disabled", "new password"])
def test_an_access_token_ends_with_what_it_stands_for(client, what):
    user = UserFactory()
    headers = tokens_of(user)
    assert client.get("/api/v1/me/", headers=headers).status_code == 403  # nowhere a member

    if what == "disabled":
        user.is_active = False
    else:
        user.set_password("another-long-password")
    user.save()

    assert client.get("/api/v1/me/", headers=headers).status_code == 401
