"""How long a session lives that a provider vouched for, and who ends it before that."""

import time
import uuid
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from rest_framework.test import APIClient

from accounts.models import SecurityEvent, TokenFamily, User
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.test_sso_doors import bring
from orgs.actions import add_domain, update_connection
from orgs.actions.sso_domains import confirm_domain
from orgs.models import Membership
from orgs.tests.factories import MembershipFactory, actor_in
from tests.sso import connect, path_of, sign_on, signed_in_as, target_in

pytestmark = pytest.mark.django_db
GRACE = "grace@northwind.example"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


def change(row, **changes):
    return update_connection(actor=actor_in(row.organization), connection_id=row.pk, **changes)


# -- the time between two questions of the provider


def test_the_provider_is_asked_to_ask_anew_in_time(client, provider):
    connect(provider, max_age_hours=6)

    sign_on(client, provider, GRACE)

    assert provider.asked()[-1]["max_age"] == "21600"
    assert "prompt" not in provider.asked()[-1]
    left = client.session.get_expiry_date() - now()
    assert timedelta(hours=5, minutes=58) < left <= timedelta(hours=6, minutes=1)


def test_the_time_counts_from_when_the_provider_asked(client, provider):
    connect(provider, max_age_hours=6)
    provider.obey(claims=provider.person(GRACE), asked_ago=5 * 3600)

    sign_on(client, provider, GRACE)

    left = client.session.get_expiry_date() - now()
    assert timedelta(minutes=58) < left < timedelta(minutes=61)


def test_then_it_ends_with_its_tokens(client, provider):
    row = connect(provider, max_age_hours=1)
    sign_on(client, provider, GRACE)
    asked = int(time.time()) - 3000
    tokens = bring(provider, row, auth_time=asked).json()["meta"]
    program = APIClient(headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert program.get("/api/v1/me/").status_code == 200
    family = TokenFamily.objects.get()
    assert family.expires_at.timestamp() == asked + 3600

    _when_its_time_is_over(family.session_key)

    assert program.get("/api/v1/me/").status_code == 401
    sent = {"refresh_token": tokens["refresh_token"]}
    assert APIClient().post("/api/v1/auth/app/v1/tokens/refresh", sent).status_code == 400
    assert client.get("/").status_code == 200
    _when_its_time_is_over(client.session.session_key)
    assert client.get("/").status_code == 302


def _when_its_time_is_over(session_key):
    """What the clock would have done: the store knows a session until its `expire_date` alone."""
    stored = Session.objects.get(pk=session_key)
    assert stored.expire_date > now()
    Session.objects.filter(pk=session_key).update(expire_date=now())


def test_a_provider_that_asked_too_long_ago_lets_nobody_in(client, provider):
    connect(provider, max_age_hours=2)
    provider.obey(claims=provider.person(GRACE), asked_ago=2 * 3600 + 120)

    answer = sign_on(client, provider, GRACE)

    assert answer.status_code == 403
    assert "has not asked for a long time" in answer.content.decode()
    assert signed_in_as(client) is None
    assert not User.objects.filter(email=GRACE).exists()


@pytest.mark.parametrize("said", ["yesterday", True, 0, -5, int(time.time()) + 86400])
def test_a_time_that_is_none_lets_nobody_in(client, provider, said):
    connect(provider)
    provider.obey(claims=provider.person(GRACE), token={"auth_time": said})

    assert sign_on(client, provider, GRACE).status_code == 401
    assert signed_in_as(client) is None


def test_where_the_provider_says_nothing_the_session_ends_in_time_all_the_same(client, provider):
    connect(provider, max_age_hours=3)
    provider.obey(claims=provider.person(GRACE), drop=["auth_time"])

    sign_on(client, provider, GRACE)

    assert signed_in_as(client)
    assert client.session.get_expiry_date() - now() < timedelta(hours=3, minutes=1)


def test_a_password_makes_a_session_of_the_usual_length(client, provider):
    row = connect(provider, max_age_hours=1)
    sign_on(client, provider, GRACE)
    user = User.objects.get(email=GRACE)
    user.set_password(PASSWORD)
    user.save()
    mark = client.session["sso"]
    other = Client()
    other.get(reverse("account_login"))
    session = other.session
    session["sso"] = mark
    session.set_expiry(60)
    session.save()
    other.cookies["loomwork_session"] = session.session_key

    other.post(reverse("account_login"), {"login": GRACE, "password": PASSWORD})

    assert signed_in_as(other) == str(user.pk)
    assert "sso" not in other.session
    assert other.session.get_expiry_date() - now() > timedelta(days=1)
    assert row.max_age_hours == 1


def test_less_time_ends_what_is_open_and_more_does_not(client, provider):
    row = connect(provider, max_age_hours=6)
    sign_on(client, provider, GRACE)

    change(row, max_age_hours=12)
    assert client.get("/").status_code == 200
    change(row, max_age_hours=5)

    assert client.get("/").status_code == 302


# -- made the only way


@pytest.fixture
def open_sessions(provider):
    """Of a member and an owner with a password, of a stranger, and of somebody who signed on."""
    row = connect(provider)
    people = {
        "member": UserFactory(email="ada@NorthWind.example"),
        "owner": UserFactory(email="boss@northwind.example"),
        "stranger": UserFactory(email="ada@elsewhere.example"),
        "sub": UserFactory(email="ada@sub.northwind.example"),
    }
    MembershipFactory(organization_id=row.organization_id, user=people["member"], role="admin")
    MembershipFactory(organization_id=row.organization_id, user=people["owner"], role="owner")
    clients = {name: Client() for name in people}
    for name, user in people.items():
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        sent = {"login": user.email, "password": PASSWORD}
        clients[name].post(reverse("account_login"), sent)
    clients["signed on"] = Client()
    sign_on(clients["signed on"], provider, GRACE)
    return row, clients


def still_in(clients):
    return {name for name, client in clients.items() if client.get("/account/").status_code == 200}


def test_making_it_the_only_way_ends_what_its_people_opened_by_another(open_sessions):
    row, clients = open_sessions
    assert still_in(clients) == {"member", "owner", "stranger", "sub", "signed on"}

    change(row, enforced=True)

    assert still_in(clients) == {"owner", "stranger", "sub", "signed on"}
    member = User.objects.get(email__istartswith="ada@northwind")
    assert SecurityEvent.objects.filter(kind="session_ended", user_id=member.pk).exists()


def test_so_does_another_domain_of_one_that_is_the_only_way(open_sessions):
    row, clients = open_sessions
    change(row, enforced=True)
    owner = actor_in(row.organization)
    added = add_domain(actor=owner, connection_id=row.pk, domain="elsewhere.example")
    assert "stranger" in still_in(clients)

    confirm_domain(actor=owner, domain_id=added.pk)

    assert still_in(clients) == {"owner", "sub", "signed on"}


# -- asked anew, by who has no password here


def test_who_has_no_password_confirms_at_the_provider(client, provider):
    connect(provider)
    sign_on(client, provider, GRACE)
    grace = User.objects.get(email=GRACE)
    other = Client()
    sign_on(other, provider, GRACE)
    _as_if_asked_long_ago(client)

    asked = client.post(reverse("account_sessions_end"))
    assert asked.url.startswith("/accounts/sso/confirm/")
    assert other.get("/account/").status_code == 200
    page = client.get(asked.url)
    assert page.status_code == 200
    away = client.post("/accounts/sso/confirm/", {"next": reverse("account_sessions_end")})
    back = client.get(path_of(provider.back(target_in(away))))

    request = provider.asked()[-1]
    assert (request["prompt"], request["max_age"]) == ("login", "0")
    assert back.url == reverse("account_sessions")
    client.post(reverse("account_sessions_end"))
    assert UserSession.objects.filter(user=grace).count() == 1
    assert other.get("/account/").status_code == 302


def test_a_provider_that_did_not_ask_confirms_nothing(client, provider):
    connect(provider)
    provider.obey(claims=provider.person(GRACE), asked_ago=3600)
    sign_on(client, provider, GRACE)

    asked = client.post(reverse("account_sessions_end"))

    assert asked.url.startswith("/accounts/sso/confirm/")


def test_nor_is_a_factor_added_before_the_provider_asked(client, provider):
    connect(provider)
    provider.obey(claims=provider.person(GRACE), asked_ago=3600)
    sign_on(client, provider, GRACE)

    assert "/accounts/sso/confirm/" in client.get("/accounts/2fa/totp/activate/").url
    assert client.get("/account/").status_code == 200


def test_who_can_show_nothing_is_told_what_to_do(client):
    """Who came in by a passkey, has removed it and never had a password."""
    user = UserFactory()
    user.set_unusable_password()
    user.save()
    client.force_login(user)

    answers = [client.get("/accounts/2fa/totp/activate/"), client.post("/account/sessions/end/")]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert client.get("/account/").status_code == 200


def test_nobody_else_is_sent_there(client):
    user = UserFactory()
    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})

    assert client.get(reverse("sso_confirm")).status_code == 403
    assert Client().get(reverse("sso_confirm")).status_code == 302


def test_a_program_that_signed_on_closes_the_account_only_when_fresh(provider):
    row = connect(provider)
    MembershipFactory(organization_id=row.organization_id, role="owner")
    stale = bring(provider, row, auth_time=int(time.time()) - 900).json()["meta"]["access_token"]
    client = APIClient(headers={"Authorization": f"Bearer {stale}"})

    refused = client.delete("/api/v1/account/")
    fresh = bring(provider, row, jti="2", auth_time=int(time.time())).json()["meta"]["access_token"]
    done = APIClient(headers={"Authorization": f"Bearer {fresh}"}).delete("/api/v1/account/")

    assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_required")
    assert done.status_code == 204


def _as_if_asked_long_ago(client):
    session = client.session
    records = session["account_authentication_methods"]
    session["account_authentication_methods"] = [
        record | {"at": record["at"] - 3600} for record in records
    ]
    session.save()


# -- logged out by the provider (OpenID Connect Back-Channel Logout 1.0)


def order(provider, row, *, client=None, **claims):
    told = {"events": {EVENT: {}}, "jti": str(uuid.uuid4()), **claims}
    token = provider.mint(**told)
    return log_out(row.pk, token, client)


def log_out(pk, token, client=None):
    path = reverse("sso_provider_logout", args=[pk])
    return (client or Client(enforce_csrf_checks=True)).post(path, {"logout_token": token})


@pytest.fixture
def two(provider):
    """One person in two sessions of the provider, and somebody else."""
    row = connect(provider)
    clients = {}
    for name, email, sid in (
        ("laptop", GRACE, "s1"), ("phone", GRACE, "s2"), ("ada", "ada@northwind.example", "s3"),
    ):  # fmt: skip
        provider.obey(claims=provider.person(email, sid=sid))
        clients[name] = Client()
        sign_on(clients[name], provider, email)
    provider.obey(claims=provider.person(GRACE))
    return row, clients


def test_the_provider_ends_one_session_or_all_of_a_person(provider, two):
    row, clients = two
    assert order(provider, row, sid="s1").status_code == 200
    assert still_in(clients) == {"phone", "ada"}

    assert order(provider, row).status_code == 200

    assert still_in(clients) == {"ada"}


def test_it_may_name_the_session_alone(provider, two):
    row, clients = two
    provider.obey(claims=provider.person(GRACE), drop=["sub"])

    answer = order(provider, row, sid="s3")

    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert still_in(clients) == {"laptop", "phone"}


@pytest.mark.parametrize(
    ("claims", "drop"),
    [
        ({"aud": "another"}, []),
        ({"iss": "https://other.example"}, []),
        ({"iat": int(time.time()) - 900}, []),
        ({"exp": 1}, []),
        ({"nonce": "n"}, []),
        ({"events": {}}, []),
        ({"events": {"urn:other": {}}}, []),
        ({"events": [EVENT]}, []),
        ({"events": {EVENT: "yes"}}, []),
        ({"jti": ""}, []),
        ({"sub": ["x"]}, []),
        ({}, ["jti"]),
        ({}, ["iat"]),
        ({}, ["exp"]),
        ({}, ["events"]),
        ({}, ["sub"]),
    ],
)
def test_an_unfit_order_ends_nothing(provider, two, claims, drop):
    row, clients = two
    provider.obey(claims=provider.person(GRACE), drop=drop)

    answer = order(provider, row, **claims)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert still_in(clients) == {"laptop", "phone", "ada"}


@pytest.mark.parametrize("sign", ["none", "HS256", "other-key", "unknown-kid"])
def test_an_order_that_the_provider_did_not_sign_ends_nothing(provider, two, sign):
    row, clients = two
    provider.obey(claims=provider.person(GRACE), sign=sign)

    assert order(provider, row).status_code == 400
    assert still_in(clients) == {"laptop", "phone", "ada"}


def test_an_order_is_carried_out_once(provider, two):
    row, clients = two
    token = provider.mint(events={EVENT: {}}, jti="once")
    assert log_out(row.pk, token).status_code == 200
    sign_on(clients["laptop"], provider, GRACE)

    again = log_out(row.pk, token)

    assert again.status_code == 400
    assert "laptop" in still_in(clients)


def test_an_order_to_log_out_signs_nobody_in(provider, two):
    row, _ = two
    token = provider.mint(events={EVENT: {}}, jti="x")

    answer = bring(provider, row, token=token)

    assert answer.status_code == 400
    assert "access_token" not in answer.content.decode()


def test_an_order_for_another_connection_or_of_nobody_ends_nothing(provider, two):
    row, clients = two
    other = connect(provider, domain="other.example", name="Other")

    assert order(provider, other).status_code == 200  # nobody of that connection
    assert log_out(row.organization_id, "x").status_code == 400
    assert log_out(row.pk, "").status_code == 400
    assert Client().get(reverse("sso_provider_logout", args=[row.pk])).status_code == 405
    assert still_in(clients) == {"laptop", "phone", "ada"}
    assert Membership.objects.filter(organization_id=row.organization_id).count() == 3
