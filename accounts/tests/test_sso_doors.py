"""The other ways in: shut where an organization demands its own; and programs' way through it."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from orgs.actions import switch_connection, update_connection
from orgs.models import Membership
from orgs.tests.factories import MembershipFactory, actor_in
from tests.oidc_provider import CLIENT_ID
from tests.sso import connect, sign_on, signed_in_as

pytestmark = pytest.mark.django_db
GRACE = "grace@northwind.example"
APP = "/api/v1/auth/app/v1"


@pytest.fixture
def demanded(provider):
    row = connect(provider)
    return update_connection(actor=actor_in(row.organization), connection_id=row.pk, enforced=True)


@pytest.fixture
def grace(demanded):
    user = UserFactory(email=GRACE)
    EmailAddress.objects.create(user=user, email=GRACE, verified=True, primary=True)
    MembershipFactory(organization_id=demanded.organization_id, user=user, role="admin")
    return user


def by_password(client, email=GRACE):
    return client.post(reverse("account_login"), {"login": email, "password": PASSWORD})


def test_a_password_opens_nothing_and_the_way_is_shown(client, grace):
    answer = by_password(client)

    assert answer.url == "/accounts/sso/?email=grace%40northwind.example"
    assert signed_in_as(client) is None
    assert GRACE in client.get(answer.url).content.decode()


def test_nor_does_it_for_programs(grace):
    client = APIClient()

    answer = client.post(f"{APP}/auth/login", {"email": GRACE, "password": PASSWORD})

    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "sso_required"
    assert "access_token" not in answer.content.decode()
    token = answer.json().get("meta", {}).get("session_token", "")
    assert (
        APIClient(headers={"X-Session-Token": token}).get(f"{APP}/auth/session").status_code != 200
    )


def test_nor_into_the_console(client, grace):
    User.objects.filter(pk=grace.pk).update(is_staff=True)

    by_password(client)

    assert signed_in_as(client) is None


def test_a_wrong_password_tells_nothing_of_the_demand(client, grace):
    answer = client.post(reverse("account_login"), {"login": GRACE, "password": "wrong-one-here"})

    assert answer.status_code == 200
    assert "sso" not in answer.content.decode().partition('role="alert"')[2].partition("</p>")[0]


def test_no_password_is_reset_and_the_mailbox_learns_the_way(client, grace):
    done = client.post(reverse("account_reset_password"), {"email": GRACE})
    other = client.post(reverse("account_reset_password"), {"email": "nobody@plain.example"})

    assert done.url == other.url
    text = next(one.body for one in mail.outbox if one.to == [GRACE])
    assert "/accounts/sso/" in text
    assert "password/reset/key" not in text


def test_an_owner_breaks_the_glass(client, grace, demanded):
    Membership.objects.filter(user=grace).update(role="owner")

    by_password(client)

    assert signed_in_as(client) == str(grace.pk)


def test_owning_another_organization_breaks_no_glass(client, grace):
    MembershipFactory(user=grace, role="owner")

    by_password(client)

    assert signed_in_as(client) is None


def test_other_domains_are_not_bound(client, demanded):
    user = UserFactory(email="ada@plain.example")

    by_password(client, user.email)

    assert signed_in_as(client) == str(user.pk)


def test_nobody_signs_up_with_an_address_of_the_domain(client, demanded):
    form = {
        "name": "Eve",
        "email": "eve@NorthWind.example",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }

    page = client.post(reverse("account_signup"), form)
    program = APIClient().post(f"{APP}/auth/signup", {"email": form["email"], "password": PASSWORD})

    assert page.status_code == 200
    assert program.status_code in {400, 403}
    assert not User.objects.filter(email__iexact=form["email"]).exists()


def test_nobody_leaves_by_another_address(client, provider, grace):
    sign_on(client, provider, GRACE)

    client.post(reverse("account_email"), {"action_add": "", "email": "grace@home.example"})

    assert not EmailAddress.objects.filter(email="grace@home.example").exists()


def test_switched_off_it_demands_nothing(client, grace, demanded):
    switch_connection(
        actor=actor_in(demanded.organization), connection_id=demanded.pk, enabled=False
    )

    by_password(client)

    assert signed_in_as(client) == str(grace.pk)


def test_the_demanded_way_is_open(client, provider, grace):
    sign_on(client, provider, GRACE)

    assert signed_in_as(client) == str(grace.pk)


def test_a_passkey_opens_nothing_either(client, grace, rf):
    """Every way of allauth ends in `perform_login`; a passkey's is tried here where it arrives."""
    from allauth.account.internal.flows.login import perform_login  # noqa: PLC0415
    from allauth.account.models import Login  # noqa: PLC0415
    from allauth.core.context import request_context  # noqa: PLC0415
    from django.contrib.messages.storage.fallback import FallbackStorage  # noqa: PLC0415

    request = rf.post("/accounts/2fa/webauthn/login/")
    request.session, request.user, request.allauth = client.session, grace, None
    request._messages = FallbackStorage(request)
    Authenticator.objects.create(user=grace, type="webauthn", data={})
    with request_context(request):
        answer = perform_login(request, Login(user=grace, email=GRACE))

    assert answer.url.startswith("/accounts/sso/")
    assert "_auth_user_id" not in request.session


# -- programs through the provider


def bring(provider, row, *, token=None, client=None, **claims):
    given = {"client_id": CLIENT_ID, "id_token": token or provider.mint(**claims)}
    body = {"provider": str(row.pk), "process": "login", "token": given}
    return (client or APIClient()).post(f"{APP}/auth/provider/token", body)


def test_an_id_token_becomes_tokens_of_ours(provider, demanded):
    answer = bring(provider, demanded)

    access = answer.json()["meta"]["access_token"]
    me = APIClient(headers={"Authorization": f"Bearer {access}"}).get("/api/v1/me/").json()
    assert (me["email"], me["role"]) == (GRACE, "member")


def test_an_id_token_is_good_for_one_time(provider, demanded):
    token = provider.mint()
    bring(provider, demanded, token=token)

    again = bring(provider, demanded, token=token)

    assert again.status_code == 400
    assert "access_token" not in again.content.decode()


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another"}, {"iss": "https://other.example"}, {"exp": 1}, {"iat": 1}, {"azp": "x"}],
)
def test_an_unfit_id_token_is_refused(provider, demanded, claims):
    answer = bring(provider, demanded, **claims)

    assert answer.status_code == 400
    assert not User.objects.filter(email=GRACE).exists()


def test_a_refusal_has_its_code_for_programs(provider, demanded):
    answer = bring(provider, demanded, email="boss@other.example")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "sso_foreign_domain"


@pytest.mark.parametrize(
    "name", ["openid_connect", "google", "", "0192f0c1-0000-7000-8000-0000000000ff"]
)
def test_a_provider_is_named_by_its_id_alone(provider, demanded, name):
    given = {"client_id": CLIENT_ID, "id_token": provider.mint()}
    body = {"provider": name, "process": "login", "token": given}

    assert APIClient().post(f"{APP}/auth/provider/token", body).status_code == 400


def test_tokens_end_with_the_connection(provider, demanded):
    access = bring(provider, demanded).json()["meta"]["access_token"]
    client = APIClient(headers={"Authorization": f"Bearer {access}"})
    assert client.get("/api/v1/me/").status_code == 200

    switch_connection(
        actor=actor_in(demanded.organization), connection_id=demanded.pk, enabled=False
    )

    assert client.get("/api/v1/me/").status_code == 401


@pytest.mark.parametrize("callback_url", ["/done/", "https://evil.example/"])
def test_a_redirect_begun_by_a_program_is_refused(client, provider, demanded, callback_url):
    """The app client has no cookies: its state is not the browser's, so it brings ID tokens."""
    form = {"provider": str(demanded.pk), "process": "login", "callback_url": callback_url}

    answer = client.post(f"{APP}/auth/provider/redirect", form)

    if "evil" not in callback_url:
        assert answer.status_code == 403
        assert answer.json()["errors"][0]["code"] == "sso_browser_only"
    assert "Location" not in answer.headers
    assert signed_in_as(client) is None
    assert provider.asked() == []


def test_a_form_of_another_site_starts_nothing(provider, demanded):
    client = Client(enforce_csrf_checks=True)

    assert client.post(reverse("sso_start"), {"email": GRACE}).status_code == 403
    login = reverse("openid_connect_login", args=[demanded.pk])
    assert client.post(login).status_code == 403
