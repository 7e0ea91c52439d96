"""Two at the same moment, on both databases: the rules hold and the trail tells it once."""

import threading

import pytest
from django.db import connections

from accounts.tests.factories import UserFactory
from audit.models import Entry
from orgs.actions import add_member, change_role, create_key, found_organization, remove_member
from orgs.actions import revoke_key as revoke
from orgs.errors import AlreadyMember, LastOwner
from orgs.models import Membership, Organization
from orgs.tests.factories import OrganizationFactory, actor_in

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls):
    """What each call returned or raised, all started together in threads of their own."""
    outcomes, start = [], threading.Barrier(len(calls))

    def run(call):
        start.wait()
        try:
            outcomes.append(call())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcomes.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


def test_two_owners_cannot_go_past_each_other():
    organization = OrganizationFactory()
    one, other = actor_in(organization), actor_in(organization)
    row = {row.user_id: row.pk for row in Membership.objects.all()}

    outcomes = at_once(
        lambda: change_role(actor=one, membership_id=row[one.user_id], role="member"),
        lambda: remove_member(actor=other, membership_id=row[other.user_id]),
    )

    assert sum(isinstance(outcome, LastOwner) for outcome in outcomes) == 1
    assert Membership.objects.owners_of(organization.pk).count() == 1
    assert Entry.objects.count() == 1


def test_somebody_becomes_a_member_once():
    owner, user = actor_in(OrganizationFactory()), UserFactory()

    outcomes = at_once(*[lambda: add_member(actor=owner, email=user.email, role="guest")] * 4)

    assert sum(isinstance(outcome, Membership) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyMember) for outcome in outcomes) == 3
    assert Entry.objects.filter(action="orgs.member.added").count() == 1


def test_organizations_of_one_name_are_all_founded():
    user = UserFactory()

    outcomes = at_once(*[lambda: found_organization(user_id=user.pk, name="Northwind")] * 4)

    assert all(isinstance(outcome, Organization) for outcome in outcomes), outcomes
    assert Organization.objects.values("slug").distinct().count() == 4


def test_a_key_is_revoked_once():
    owner = actor_in(OrganizationFactory())
    key, _ = create_key(actor=owner, name="k", scopes=["run.view"])

    at_once(*[lambda: revoke(actor=owner, key_id=key.pk)] * 4)

    assert Entry.objects.filter(action="orgs.key.revoked").count() == 1
