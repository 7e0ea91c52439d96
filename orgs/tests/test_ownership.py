"""Founding further organizations, their settings, and handing them over."""

import pytest
from django.core import mail
from django.test import Client

from accounts import departure
from accounts.models import User
from accounts.tasks import tend_letters
from audit.models import Entry
from core.errors import InvalidInput, PermissionRefused
from orgs.actions import (
    change_role,
    create_key,
    found_organization,
    transfer_ownership,
    update_organization,
)
from orgs.actions import organizations as founding
from orgs.errors import LastOwner, TooManyOrganizations
from orgs.keys import verify_key
from orgs.models import Membership, Organization
from orgs.tests.factories import OrganizationFactory, actor_in, person_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def owner(organization):
    return actor_in(organization)


def membership_of(actor):
    return Membership.objects.get(user_id=actor.user_id, organization_id=actor.organization_id)


def client_of(actor):
    client = Client()
    client.force_login(User.objects.get(pk=actor.user_id))
    return client


def test_handing_over_makes_an_owner_and_an_administrator(organization, owner):
    other = actor_in(organization, "builder")
    token = create_key(actor=owner, name="k", scopes=["wallet.topup"])[1]

    transfer_ownership(actor=owner, membership_id=membership_of(other).pk)
    tend_letters()

    assert (membership_of(other).role, membership_of(owner).role) == ("owner", "admin")
    assert verify_key(token) is None  # an administrator may not pay in
    assert mail.outbox[-1].to == [User.objects.get(pk=other.user_id).email]
    assert Entry.objects.filter(action="orgs.ownership.transferred").count() == 1


@pytest.mark.parametrize("whom", ["oneself", "disabled"])
def test_an_organization_is_handed_to_somebody_who_can_have_it(organization, owner, whom):
    user, other = person_in(organization, "admin")
    User.objects.filter(pk=user.pk).update(is_active=False)
    target = owner if whom == "oneself" else other

    with pytest.raises(InvalidInput):
        transfer_ownership(actor=owner, membership_id=membership_of(target).pk)

    assert membership_of(owner).role == "owner"
    assert not Entry.objects.exists()


def test_only_an_owner_hands_over(organization, owner):
    admin, other = actor_in(organization, "admin"), actor_in(organization, "member")

    response = client_of(admin).post(
        "/api/v1/organization/transfer/", {"member": str(membership_of(other).pk)}
    )
    with pytest.raises(PermissionRefused):
        transfer_ownership(actor=admin, membership_id=membership_of(other).pk)

    assert response.status_code == 403
    assert membership_of(other).role == "member"


def test_anybody_founds_a_further_organization_and_goes_there(organization):
    guest = actor_in(organization, "guest")
    client = client_of(guest)

    made = client.post("/api/v1/organizations/", {"name": "Second"}).json()
    client.post("/organizations/new/", {"name": "Third"})
    listed = client.get("/api/v1/organizations/").json()["results"]

    assert {row["name"]: row["role"] for row in listed} == {
        organization.name: "guest",
        "Second": "owner",
        "Third": "owner",
    }
    named = client.get("/api/v1/organization/", headers={"X-Organization": made["id"]})
    assert named.json()["name"] == "Second"
    assert client.get("/organization/").context["organization"].name == "Third"


def test_nobody_owns_more_than_so_many(owner, monkeypatch):
    monkeypatch.setattr(founding, "MAX_OWNED", 1)

    with pytest.raises(TooManyOrganizations):
        found_organization(user_id=owner.user_id, name="Second")

    assert Organization.objects.count() == 1


def test_settings_are_changed_and_the_trail_says_from_what_to_what(organization, owner):
    update_organization(actor=owner, name="Southwind", require_second_factor=True)
    update_organization(actor=owner, name="Southwind")  # nothing to change, nothing to say

    organization.refresh_from_db()
    assert (organization.name, organization.require_second_factor) == ("Southwind", True)
    entry = Entry.objects.get(action="orgs.organization.changed")
    assert entry.after == {"name": "Southwind", "require_second_factor": True}


@pytest.mark.parametrize("changes", [{"name": " "}, {"slug": "x"}, {"closed_at": None}])
def test_settings_that_are_none_are_refused(organization, owner, changes):
    with pytest.raises(InvalidInput):
        update_organization(actor=owner, **changes)

    assert not Entry.objects.exists()


def test_a_role_change_takes_effect_on_the_open_pages_next_request(organization, owner):
    builder = actor_in(organization, "builder")
    client = client_of(builder)
    assert client.get("/workflows/import/").status_code == 200

    change_role(actor=owner, membership_id=membership_of(builder).pk, role="guest")

    assert client.post("/workflows/import/", {"import": "1"}).status_code == 403
    assert client.post("/api/v1/workflows/import/", {}).status_code == 403


def test_the_only_owner_cannot_close_their_account_and_others_take_their_leave(organization):
    user, _actor = person_in(organization, "owner")

    with pytest.raises(LastOwner) as refused:
        departure.check_departure(user)
    assert [row["name"] for row in refused.value.detail["organizations"]] == [organization.name]
    actor_in(organization, "owner")
    departure.check_departure(user)
    departure.carry_out_departure(user)

    assert not Membership.objects.filter(user=user).exists()
    assert Entry.objects.filter(action="orgs.member.removed", actor_id=user.pk).exists()


def test_a_members_page_says_teams_keys_and_last_sign_in(organization, owner):
    builder = actor_in(organization, "builder")
    create_key(actor=builder, name="k", scopes=["run.view"])
    row = membership_of(builder)

    found = client_of(owner).get(f"/api/v1/members/{row.pk}/").json()

    assert (found["keys"], found["teams"], found["last_seen_at"]) == (1, [], None)
