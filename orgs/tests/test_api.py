"""Organizations, members and keys through the REST API."""

import pytest
from allauth.account.models import EmailAddress
from rest_framework.test import APIClient

from accounts.tests.factories import UserFactory
from audit.models import Entry
from orgs.keys import verify_key
from orgs.models import ApiKey, Membership
from orgs.tests.factories import MembershipFactory, OrganizationFactory, key_in, person_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


def client_of(organization, role="owner"):
    user, _ = person_in(organization, role)
    client = APIClient()
    client.force_login(user)
    return client


def test_anonymous_is_told_to_sign_in_in_the_shared_shape():
    response = APIClient().get("/api/v1/members/")

    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"
    assert len(response.json()["trace_id"]) == 32


def test_the_trace_id_of_the_caller_comes_back(organization):
    trace = "0af7651916cd43dd8448eb211c80319c"

    response = client_of(organization).get(
        "/api/v1/me/", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    )

    assert response.headers["X-Request-ID"] == trace
    assert response.headers["traceparent"].startswith(f"00-{trace}-")


def test_another_organization_can_be_named_only_by_its_members(organization):
    foreign = OrganizationFactory()

    response = client_of(organization).get(
        "/api/v1/organization/", headers={"X-Organization": str(foreign.pk)}
    )

    assert (response.status_code, response.json()["code"]) == (403, "no_organization")


def test_members_of_others_are_invisible(organization):
    foreign = MembershipFactory()

    listed = client_of(organization).get("/api/v1/members/").json()["results"]
    one = client_of(organization).get(f"/api/v1/members/{foreign.pk}/")

    assert str(foreign.pk) not in {row["id"] for row in listed}
    assert one.status_code == 404


def test_a_builder_cannot_change_roles(organization):
    member = MembershipFactory(organization=organization)

    response = client_of(organization, "builder").patch(
        f"/api/v1/members/{member.pk}/", {"role": "admin"}
    )

    member.refresh_from_db()
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
    assert member.role == "member"
    assert not Entry.objects.exists()


def test_an_admin_cannot_make_an_owner(organization):
    member = MembershipFactory(organization=organization)

    response = client_of(organization, "admin").patch(
        f"/api/v1/members/{member.pk}/", {"role": "owner"}
    )

    assert response.json()["code"] == "role_above_yours"
    assert not Entry.objects.exists()


def test_the_last_owner_stays(organization):
    user, _ = person_in(organization, "owner")
    client = APIClient()
    client.force_login(user)
    row = Membership.objects.get(user=user)

    left = client.delete(f"/api/v1/members/{row.pk}/")
    demoted = client.patch(f"/api/v1/members/{row.pk}/", {"role": "admin"})

    assert (left.json()["code"], demoted.json()["code"]) == ("last_owner", "last_owner")
    assert Membership.objects.owners_of(organization.pk).count() == 1


def test_a_member_is_added_once_and_the_trail_says_so(organization):
    user = UserFactory()
    EmailAddress.objects.create(user=user, email=user.email, verified=True)
    client_of(organization).post("/api/v1/invitations/", {"email": user.email, "role": "builder"})
    invited = APIClient()
    invited.force_login(user)
    (mine,) = invited.get("/api/v1/invitations/mine/").json()["results"]

    first = invited.post(f"/api/v1/invitations/mine/{mine['id']}/accept/")
    again = invited.post(f"/api/v1/invitations/mine/{mine['id']}/accept/")

    assert (first.status_code, first.json()["role"]) == (200, "builder")
    assert again.status_code == 404
    entry = Entry.objects.get(action="orgs.member.added")
    assert entry.trace_id == first.headers["X-Request-ID"]


def test_nobody_is_made_a_member_without_being_asked(organization):
    user = UserFactory()

    response = client_of(organization).post(
        "/api/v1/members/", {"email": user.email, "role": "builder"}
    )

    assert response.json()["code"] == "method_not_allowed"
    assert not Membership.objects.filter(user=user).exists()


def test_a_key_is_shown_once_stored_hashed_and_works_until_revoked(organization):
    client = client_of(organization)

    made = client.post("/api/v1/keys/", {"name": "ci", "scopes": ["org.view", "run.view"]})
    token = made.json()["token"]

    assert token not in str(list(ApiKey.objects.values()))
    assert "token" not in client.get("/api/v1/keys/").json()["results"][0]
    bearer = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert bearer.get("/api/v1/me/").json()["scopes"] == ["org.view", "run.view"]
    assert bearer.get("/api/v1/members/").status_code == 200
    assert bearer.get("/api/v1/audit/").json()["code"] == "permission_denied"
    client.delete(f"/api/v1/keys/{made.json()['id']}/")
    assert bearer.get("/api/v1/me/").json()["code"] == "authentication_failed"


def test_a_key_cannot_carry_more_than_its_maker(organization):
    response = client_of(organization, "builder").post(
        "/api/v1/keys/", {"name": "x", "scopes": ["audit.view"]}
    )

    assert response.json()["code"] == "role_above_yours"
    assert not ApiKey.objects.exists()


def test_an_unknown_scope_is_named(organization):
    response = client_of(organization).post("/api/v1/keys/", {"name": "x", "scopes": ["all"]})

    assert (response.status_code, response.json()["code"]) == (400, "unknown_scope")
    assert response.json()["detail"]["unknown"] == ["all"]


@pytest.mark.parametrize("damage", ["lw_short", "lw_aaaaaaaa_" + "x" * 43, ""])
def test_a_damaged_token_is_nobody(organization, damage):
    key_in(organization, "run.view")

    assert verify_key(damage) is None
