"""What is left of somebody who goes, is disabled or may do less than before: nothing they hold."""

import pytest
from django.db import IntegrityError
from django.test import Client

from accounts.models import User
from audit.models import Entry
from orgs.actions import change_role, create_key, found_organization, remove_member
from orgs.errors import LastOwner
from orgs.grants import grant, grants_on
from orgs.keys import verify_key
from orgs.models import ApiKey, Membership
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from workflows.tests.factories import WorkflowFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def owner(organization):
    return actor_in(organization)


def membership_of(actor):
    return Membership.objects.get(user_id=actor.user_id, organization_id=actor.organization_id)


def key_of(actor, *scopes):
    return create_key(actor=actor, name="theirs", scopes=scopes)[1]


def test_keys_end_with_the_membership_of_who_made_them(organization, owner):
    builder, other = actor_in(organization, "builder"), OrganizationFactory()
    Membership.objects.create(organization=other, user_id=builder.user_id, role="owner")
    theirs, kept = key_of(builder, "run.view"), key_of(owner, "run.view")
    elsewhere = key_of(actor_in(other), "run.view")

    remove_member(actor=owner, membership_id=membership_of(builder).pk)

    assert verify_key(theirs) is None
    assert verify_key(kept)
    assert verify_key(elsewhere)
    assert Entry.objects.filter(action="orgs.key.revoked").count() == 1


def test_keys_that_may_more_than_the_new_role_end(organization, owner):
    builder = actor_in(organization, "builder")
    above, within = key_of(builder, "run.view", "workflow.edit"), key_of(builder, "run.view")

    change_role(actor=owner, membership_id=membership_of(builder).pk, role="member")

    assert verify_key(above) is None
    assert verify_key(within)


def test_a_disabled_persons_keys_open_nothing_until_they_are_back(organization):
    user, actor = person_in(organization, "builder")
    token = key_of(actor, "run.view")

    User.objects.filter(pk=user.pk).update(is_active=False)
    assert verify_key(token) is None
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert verify_key(token)


def test_what_was_shared_is_gone_when_somebody_comes_back(organization, owner):
    workflow, guest = WorkflowFactory(organization=organization), actor_in(organization, "guest")
    grant(actor=owner, obj=workflow, user_id=guest.user_id, right="edit", verb="workflow.edit")

    remove_member(actor=owner, membership_id=membership_of(guest).pk)

    assert grants_on(workflow) == []


def test_a_live_session_ends_at_the_organizations_door(organization, owner):
    user, actor = person_in(organization, "builder")
    client = Client()
    client.force_login(user)
    assert client.get("/keys/").status_code == 200

    remove_member(actor=owner, membership_id=membership_of(actor).pk)

    assert client.get("/keys/").status_code == 403
    assert client.get("/api/v1/me/").json()["code"] == "no_organization"


def step_down(owner, row):
    change_role(actor=owner, membership_id=row.pk, role="member")


def leave(owner, row):
    remove_member(actor=owner, membership_id=row.pk)


@pytest.mark.parametrize("going", [step_down, leave])
def test_a_disabled_owner_does_not_count_as_one(organization, owner, going):
    disabled, _ = person_in(organization, "owner")
    User.objects.filter(pk=disabled.pk).update(is_active=False)
    mine, entries = membership_of(owner), Entry.objects.count()

    with pytest.raises(LastOwner):
        going(owner, mine)

    mine.refresh_from_db()
    assert mine.role == "owner"
    assert Entry.objects.count() == entries


def test_a_disabled_owner_can_be_taken_out(organization, owner):
    disabled, actor = person_in(organization, "owner")
    User.objects.filter(pk=disabled.pk).update(is_active=False)

    remove_member(actor=owner, membership_id=membership_of(actor).pk)

    assert not Membership.objects.filter(user=disabled).exists()


def test_two_organizations_of_one_name_get_different_short_names(owner):
    found = [found_organization(user_id=owner.user_id, name="Northwind") for _ in range(3)]

    assert found[0].slug == "northwind"
    assert len({each.slug for each in found}) == 3


def test_a_key_is_bound_to_its_prefix():
    owner = actor_in(OrganizationFactory())
    key_of(owner, "run.view")

    with pytest.raises(IntegrityError):
        ApiKey.objects.create(
            organization_id=owner.organization_id,
            project=ApiKey.objects.get().project,
            name="x",
            prefix=ApiKey.objects.get().prefix,
        )
