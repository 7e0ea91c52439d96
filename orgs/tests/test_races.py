"""Two at the same moment, on both databases: the rules hold and the trail tells it once."""

import threading

import pytest
from allauth.account.models import EmailAddress
from django.db import connections
from django.utils.timezone import now

from accounts.tests.factories import UserFactory
from audit.models import Entry
from orgs.actions import (
    accept_invitation,
    add_member,
    add_to_team,
    change_role,
    close_due,
    close_organization,
    create_invitation,
    create_key,
    create_team,
    found_organization,
    keep_organization,
    remove_member,
    revoke_invitation,
    transfer_ownership,
)
from orgs.actions import revoke_key as revoke
from orgs.actions.invitations import issue_secret
from orgs.errors import AlreadyMember, InvitationClosed, InvitationPending, LastOwner
from orgs.models import Invitation, Membership, Organization, TeamMembership
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


def reader_of(email):
    user = UserFactory(email=email)
    EmailAddress.objects.create(user=user, email=email, verified=True)
    return user


def test_an_invitation_is_accepted_once():
    owner, user = actor_in(OrganizationFactory()), reader_of("mei@example.com")
    row = create_invitation(actor=owner, email=user.email, role="guest")

    outcomes = at_once(*[lambda: accept_invitation(user=user, invitation_id=row.pk)] * 4)

    assert sum(isinstance(outcome, Membership) for outcome in outcomes) == 1, outcomes
    assert sum(isinstance(outcome, InvitationClosed) for outcome in outcomes) == 3
    assert Membership.objects.filter(user=user).count() == 1
    assert Entry.objects.filter(action="orgs.invitation.accepted").count() == 1


def test_accepting_and_taking_back_do_not_both_happen():
    owner, user = actor_in(OrganizationFactory()), reader_of("mei@example.com")
    row = create_invitation(actor=owner, email=user.email, role="guest")

    at_once(
        lambda: accept_invitation(user=user, invitation_id=row.pk),
        lambda: revoke_invitation(actor=owner, invitation_id=row.pk),
    )

    row.refresh_from_db()
    joined = Membership.objects.filter(user=user).exists()
    assert (row.accepted_at is None) != (row.revoked_at is None)
    assert joined == (row.accepted_at is not None)


def test_an_address_is_invited_once():
    owner = actor_in(OrganizationFactory())

    outcomes = at_once(
        *[lambda: create_invitation(actor=owner, email="mei@example.com", role="guest")] * 4
    )

    assert sum(isinstance(outcome, InvitationPending) for outcome in outcomes) == 3, outcomes
    assert Invitation.objects.count() == 1


def test_a_link_is_mailed_once():
    owner = actor_in(OrganizationFactory())
    row = create_invitation(actor=owner, email="mei@example.com", role="guest")

    outcomes = at_once(*[lambda: issue_secret(row.pk)] * 4)

    assert sum(outcome is not None for outcome in outcomes) == 1, outcomes


def test_two_owners_who_hand_over_to_each_other_leave_one():
    organization = OrganizationFactory()
    one, other = actor_in(organization), actor_in(organization)
    row = {row.user_id: row.pk for row in Membership.objects.all()}

    at_once(
        lambda: transfer_ownership(actor=one, membership_id=row[other.user_id]),
        lambda: transfer_ownership(actor=other, membership_id=row[one.user_id]),
    )

    assert Membership.objects.owners_of(organization.pk).count() >= 1


def test_whoever_leaves_while_a_team_takes_them_is_in_no_group():
    organization = OrganizationFactory()
    owner, member = actor_in(organization), actor_in(organization, "member")
    team = create_team(actor=owner, name="Support")
    row = Membership.objects.get(user_id=member.user_id)

    at_once(
        lambda: add_to_team(actor=owner, team_id=team.pk, membership_id=row.pk),
        lambda: remove_member(actor=owner, membership_id=row.pk),
    )

    assert not Membership.objects.filter(pk=row.pk).exists()
    assert not TeamMembership.objects.exists()
    assert not team.group.user_set.exists()


def test_what_is_kept_at_the_last_moment_is_whole_or_gone():
    organization = OrganizationFactory()
    owner = actor_in(organization)
    close_organization(actor=owner, name=organization.name, reason="r")
    Organization.objects.update(closing_at=now())

    at_once(lambda: keep_organization(actor=owner), lambda: close_due(organization.pk))

    organization.refresh_from_db()
    kept = organization.closed_at is None
    assert Membership.objects.filter(organization=organization).exists() == kept
    assert (organization.closing_at is None) == kept
