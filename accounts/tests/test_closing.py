"""Closing an account: who may, what ends, what stays."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from rest_framework.test import APIClient

from accounts.models import SecurityEvent, TokenFamily, User
from accounts.tests.factories import PASSWORD
from accounts.tests.programs import Program
from audit.models import Entry
from orgs.models import ApiKey, Membership
from orgs.tests.factories import MembershipFactory, OrganizationFactory, key_in, person_in

pytestmark = pytest.mark.django_db
ACCOUNT = "/api/v1/account/"


@pytest.fixture
def organization():
    made = OrganizationFactory(name="Northwind")
    MembershipFactory(organization=made, role="owner")
    return made


@pytest.fixture
def person(organization):
    return person_in(organization, "builder")[0]


def test_it_asks_who_sits_there(person):
    program = Program(person)

    answer = program.api().delete(ACCOUNT)

    assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")
    assert User.objects.get(pk=person.pk).is_active


def test_everything_that_lets_the_person_in_ends_and_the_trail_stays(person, organization):
    program = Program(person)
    program.reauthenticate()
    TOTP.activate(person, generate_totp_secret())
    EmailAddress.objects.get_or_create(user=person, email=person.email)
    person_key = ApiKey.objects.create(
        organization=organization, project=organization_project(organization), name="k",
        prefix="abcdefgh", digest="x", scopes=["model.call"], created_by_id=person.pk,
    )  # fmt: skip

    assert program.api().delete(ACCOUNT).status_code == 204

    row = User.objects.get(pk=person.pk)
    assert (row.is_active, row.name, row.email) == (False, "", f"closed-{row.pk}@account.invalid")
    assert row.closed_at
    assert not row.has_usable_password()
    assert row.get_full_name() == "Closed account"
    for model in (EmailAddress, Authenticator, UserSession, TokenFamily, Membership):
        assert not model.objects.filter(user=person).exists(), model
    person_key.refresh_from_db()
    assert person_key.revoked_at
    assert not program.allowed()
    assert program.renew().status_code == 400
    assert Entry.objects.filter(action="orgs.member.removed", actor_id=person.pk).exists()
    assert SecurityEvent.objects.filter(kind="account_closed", user_id=person.pk).exists()
    gone = APIClient().post(
        "/api/v1/auth/app/v1/auth/login", {"email": person.email, "password": PASSWORD}
    )
    assert gone.status_code == 400


def organization_project(organization):
    from orgs.models import Project  # noqa: PLC0415
    from orgs.projects import default_project_id  # noqa: PLC0415

    return Project.objects.get(pk=default_project_id(organization.pk))


def test_the_only_owner_hands_over_first(client, organization):
    owner = Membership.objects.get(organization=organization, role="owner").user
    program = Program(owner)
    program.reauthenticate()

    answer = program.api().delete(ACCOUNT)

    assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    assert answer.json()["detail"]["organizations"] == [
        {"id": str(organization.pk), "name": "Northwind"}
    ]
    assert User.objects.get(pk=owner.pk).is_active
    assert program.allowed()
    client.force_login(owner)
    page = client.get("/account/close/").content.decode()
    assert "Northwind" in page
    assert "Close my account" not in page


def test_with_a_second_owner_one_may_go(organization):
    person_in(organization, "owner")
    owner = Membership.objects.filter(organization=organization, role="owner").first().user
    program = Program(owner)
    program.reauthenticate()

    assert program.api().delete(ACCOUNT).status_code == 204
    assert Membership.objects.filter(organization=organization, role="owner").count() == 1


def test_the_page_asks_for_the_password_and_goes_on_from_there(client, person):
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})

    asked = client.post("/account/close/")
    assert asked.url.startswith("/accounts/reauthenticate/")
    assert User.objects.get(pk=person.pk).is_active
    done = client.post(asked.url, {"password": PASSWORD, "next": "/account/close/"})

    assert not User.objects.get(pk=person.pk).is_active, done
    assert "_auth_user_id" not in client.session


def test_a_key_has_no_account(organization):
    client = APIClient(headers={"Authorization": f"Bearer {key_in(organization, 'model.call')}"})

    for method, path in (("get", ""), ("delete", ""), ("get", "sessions/")):
        answer = getattr(client, method)(f"{ACCOUNT}{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "person_required")
