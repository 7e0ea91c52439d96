"""Where a second factor is asked for, nobody gets in without one, by no door."""

import io

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core.management import call_command
from rest_framework.test import APIClient

from accounts.models import SecurityEvent
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.programs import AUTH, Program, mails_to
from core.secrets import generate_key
from orgs.tests.factories import MembershipFactory, OrganizationFactory, key_in, person_in

pytestmark = pytest.mark.django_db


def add_totp(user):
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def code_of(secret):
    return format_hotp_value(hotp_value(secret, list(yield_hotp_counters_from_time())[1]))


@pytest.fixture
def strict():
    return OrganizationFactory(name="Strict", require_second_factor=True)


# -- per organization


def test_a_member_without_one_is_led_to_set_it_up(client, strict):
    user = person_in(strict, "builder")[0]
    client.force_login(user)

    page = client.get("/workflows/")
    fragment = client.get("/workflows/", headers={"HX-Request": "true"})

    assert (page.status_code, page.url) == (302, "/accounts/2fa/")
    assert fragment.headers["HX-Redirect"] == "/accounts/2fa/"
    assert client.get("/accounts/2fa/").status_code == 200
    assert client.get("/account/").status_code == 200


def test_the_api_says_so_and_the_account_stays_open(strict):
    program = Program(person_in(strict, "owner")[0])

    answer = program.api().get("/api/v1/me/")

    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")
    assert answer.json()["detail"] == {"organization": str(strict.pk)}
    assert program.allowed()


def test_with_a_factor_the_door_opens_at_the_next_request(client, strict):
    user = person_in(strict, "builder")[0]
    client.force_login(user)
    assert client.get("/").status_code == 302

    add_totp(user)

    assert client.get("/").status_code == 200


def test_recovery_codes_alone_are_no_factor(client, strict):
    user = person_in(strict, "builder")[0]
    RecoveryCodes.activate(user)
    client.force_login(user)

    assert client.get("/").status_code == 302


def test_another_organization_stays_in_reach(client, strict):
    user = person_in(strict, "builder")[0]
    easy = MembershipFactory(user=user, organization=OrganizationFactory(name="Easy")).organization
    client.force_login(user)
    assert "Easy" in client.get("/account/").content.decode()

    client.post("/organization/switch/", {"organization": str(easy.pk)})

    assert client.get("/").status_code == 200


def test_a_key_is_no_person(strict):
    person_in(strict, "owner")
    token = key_in(strict, "workflow.view")
    program = Program(UserFactory())

    answer = program.client().get(
        "/api/v1/workflows/", headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == 200


def test_the_question_costs_one_query_a_request(client, strict, django_assert_max_num_queries):
    user = person_in(strict, "builder")[0]
    add_totp(user)
    client.force_login(user)
    client.get("/navigation/")

    with django_assert_max_num_queries(12) as seen:
        client.get("/navigation/")

    asked = [each for each in seen if 'FROM "mfa_authenticator"' in each["sql"]]
    assert len(asked) == 1


# -- for operators


@pytest.fixture
def operator(client, settings):
    settings.REQUIRE_SECOND_FACTOR = "staff"
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/", "/admin/login/"])
def test_an_operator_without_one_is_led_to_set_it_up(client, operator, path):
    page = client.get(path, follow=True)

    assert page.request["PATH_INFO"] == "/accounts/2fa/"
    assert "The console asks for a second factor" in page.content.decode()


def test_nothing_is_written_in_the_console_without_one(client, operator):
    other = UserFactory(name="Before")
    url = f"/admin/accounts/user/{other.pk}/change/"

    client.post(url, {"email": other.email, "name": "After", "is_active": "on"})

    other.refresh_from_db()
    assert other.name == "Before"


def test_with_one_the_console_opens(client, operator):
    add_totp(operator)

    assert client.get("/admin/accounts/user/").status_code == 200


# -- for everyone


@pytest.fixture
def everyone(settings):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    return OrganizationFactory(name="Easy")


def test_everyone_is_led_to_set_one_up_and_gets_on_with_it(client, everyone):
    user = person_in(everyone, "member")[0]
    client.force_login(user)

    page = client.get("/")
    led = client.get("/", follow=True)

    assert (page.status_code, page.url) == (302, "/accounts/2fa/")
    assert "A second factor is asked of you here" in led.content.decode()
    assert client.get("/account/").status_code == 200
    add_totp(user)
    assert client.get("/").status_code == 200


def test_a_program_of_a_person_without_one_is_told_so(everyone):
    user = person_in(everyone, "owner")[0]
    program = Program(user)

    answer = program.api().get("/api/v1/members/")

    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")
    assert program.allowed()
    add_totp(user)
    assert program.api().get("/api/v1/members/").status_code == 200


def test_keys_go_on_whatever_is_asked_of_everyone(everyone):
    person_in(everyone, "owner")
    token = key_in(everyone, "workflow.view")

    answer = APIClient().get("/api/v1/workflows/", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 200


def test_operators_are_of_everyone(client, everyone):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))

    assert client.get("/admin/", follow=True).request["PATH_INFO"] == "/accounts/2fa/"


@pytest.mark.parametrize("asked", ["none", "staff"])
def test_members_are_asked_where_their_organization_or_everyone_is(client, settings, asked):
    settings.REQUIRE_SECOND_FACTOR = asked
    client.force_login(person_in(OrganizationFactory(), "member")[0])

    assert client.get("/").status_code == 200


# -- signing in with one


def test_a_program_gets_no_token_before_the_code():
    user = UserFactory()
    secret = add_totp(user)
    client = Program(UserFactory()).client()

    first = client.post(f"{AUTH}/auth/login", {"email": user.email, "password": PASSWORD})
    assert first.status_code == 401
    assert "access_token" not in first.json()["meta"]
    headers = {"X-Session-Token": first.json()["meta"]["session_token"]}
    wrong = client.post(f"{AUTH}/auth/2fa/authenticate", {"code": "000000"}, headers=headers)
    right = client.post(f"{AUTH}/auth/2fa/authenticate", {"code": code_of(secret)}, headers=headers)

    assert wrong.status_code == 400
    assert "access_token" in right.json()["meta"]
    kinds = list(SecurityEvent.objects.of_user(user.pk).order_by("pk").values_list("kind", "data"))
    assert kinds == [("factor_failed", {}), ("signed_in", {"ways": ["password", "totp"]})]


def test_a_code_works_once():
    user = UserFactory()
    secret = add_totp(user)
    code = code_of(secret)

    def enter():
        client = Program(UserFactory()).client()
        first = client.post(f"{AUTH}/auth/login", {"email": user.email, "password": PASSWORD})
        headers = {"X-Session-Token": first.json()["meta"]["session_token"]}
        sent = {"code": code}
        return client.post(f"{AUTH}/auth/2fa/authenticate", sent, headers=headers).status_code

    assert [enter(), enter()] == [200, 400]


@pytest.mark.django_db(transaction=True)
def test_setting_one_up_asks_for_the_password_mails_and_is_noted(client):
    user = UserFactory()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert "reauthenticate" in client.get("/accounts/2fa/totp/activate/").url
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    secret = client.session["mfa.totp.secret"]

    client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})

    assert page.status_code == 200
    stored = Authenticator.objects.get(user=user, type="totp")
    assert secret not in str(stored.data)
    assert SecurityEvent.objects.filter(kind="factor_added", user_id=user.pk).exists()
    assert mails_to(user)


def test_secrets_of_factors_follow_the_rotation_of_keys(settings):
    user = UserFactory()
    secret = add_totp(user)
    RecoveryCodes.activate(user)
    codes = RecoveryCodes(Authenticator.objects.get(type="recovery_codes")).generate_codes()
    new = generate_key()
    settings.SECRET_KEYS = f"{new},{settings.SECRET_KEYS}"

    said = io.StringIO()
    call_command("rotate_secrets", stdout=said)
    settings.SECRET_KEYS = new

    assert "second factors: 2 read, 2 re-encrypted" in said.getvalue()
    assert TOTP(Authenticator.objects.get(type="totp")).validate_code(code_of(secret))
    assert RecoveryCodes(Authenticator.objects.get(type="recovery_codes")).generate_codes() == codes
