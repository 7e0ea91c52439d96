"""Teams and the groups behind them, which are the same people at every moment."""

import pytest
from django.contrib.auth.models import Group

from accounts.models import User
from audit.models import Entry
from bpm.actions import claim_task
from bpm.models import HumanTask
from bpm.tests.factories import make_task
from core.errors import NotFound, PermissionRefused
from orgs.actions import (
    add_to_team,
    create_team,
    delete_team,
    remove_from_team,
    remove_member,
    set_lead,
    update_team,
)
from orgs.errors import AlreadyMember, NameTaken
from orgs.models import Membership, Team, TeamMembership
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from workflows.runtime.sweep import HUMAN_INPUT

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def owner(organization):
    return actor_in(organization)


@pytest.fixture
def team(owner):
    return create_team(actor=owner, name="Support")


def membership_of(actor):
    return Membership.objects.get(user_id=actor.user_id, organization_id=actor.organization_id)


def join(owner, team, actor, **more):
    return add_to_team(actor=owner, team_id=team.pk, membership_id=membership_of(actor).pk, **more)


def groups_of(actor):
    return set(User.objects.get(pk=actor.user_id).groups.values_list("pk", flat=True))


def test_whoever_joins_and_parts_is_in_the_group_as_long(organization, owner, team):
    member = actor_in(organization, "member")

    row = join(owner, team, member)
    assert groups_of(member) == {team.group_id}
    remove_from_team(actor=owner, team_membership_id=row.pk)

    assert groups_of(member) == set()


def test_whoever_leaves_the_organization_leaves_its_teams_and_no_others(organization, owner, team):
    user, member = person_in(organization, "member")
    join(owner, team, member)
    other = OrganizationFactory()
    elsewhere = actor_in(other)
    Membership.objects.create(organization=other, user=user)
    theirs = create_team(actor=elsewhere, name="Theirs")
    add_to_team(
        actor=elsewhere,
        team_id=theirs.pk,
        membership_id=Membership.objects.get(user=user, organization=other).pk,
    )

    remove_member(actor=owner, membership_id=membership_of(member).pk)

    assert groups_of(member) == {theirs.group_id}
    assert not TeamMembership.objects.filter(team=team).exists()


def test_a_deleted_team_leaves_no_group(organization, owner, team):
    member = actor_in(organization, "member")
    join(owner, team, member)

    delete_team(actor=owner, team_id=team.pk)

    assert not Team.objects.exists()
    assert not Group.objects.exists()
    assert groups_of(member) == set()


def test_a_lead_brings_people_in_and_out_of_their_own_team_alone(organization, owner, team):
    lead, member = actor_in(organization, "member"), actor_in(organization, "member")
    join(owner, team, lead, lead=True)
    other = create_team(actor=owner, name="Other")

    row = join(lead, team, member)
    remove_from_team(actor=lead, team_membership_id=row.pk)
    entries = Entry.objects.count()
    for refused in (
        lambda: join(lead, other, member),
        lambda: join(lead, team, member, lead=True),
        lambda: update_team(actor=lead, team_id=team.pk, name="Mine"),
        lambda: delete_team(actor=lead, team_id=team.pk),
        lambda: join(member, team, member),
    ):
        with pytest.raises(PermissionRefused):
            refused()

    assert Entry.objects.count() == entries
    assert TeamMembership.objects.count() == 1


def test_a_lead_who_is_one_no_more_may_no_more(organization, owner, team):
    lead, member = actor_in(organization, "member"), actor_in(organization, "member")
    row = join(owner, team, lead, lead=True)

    set_lead(actor=owner, team_membership_id=row.pk, lead=False)

    with pytest.raises(PermissionRefused):
        join(lead, team, member)


def test_names_are_taken_once_and_nobody_joins_twice(organization, owner, team):
    member = actor_in(organization, "member")
    join(owner, team, member)
    create_team(actor=actor_in(OrganizationFactory()), name="support")  # elsewhere it is free

    with pytest.raises(NameTaken):
        create_team(actor=owner, name="SUPPORT")
    with pytest.raises(AlreadyMember):
        join(owner, team, member)

    assert Group.objects.count() == 2
    assert TeamMembership.objects.count() == 1


def test_people_and_teams_of_others_are_not_found(owner, team):
    foreign = actor_in(OrganizationFactory())
    theirs = create_team(actor=foreign, name="Theirs")

    with pytest.raises(NotFound):
        join(owner, team, foreign)
    with pytest.raises(NotFound):
        delete_team(actor=owner, team_id=theirs.pk)

    assert Team.objects.count() == 2
    assert not TeamMembership.objects.exists()


def test_a_task_can_be_asked_of_a_team(organization, owner, team):
    inside, outside = actor_in(organization, "member"), actor_in(organization, "member")
    row = join(owner, team, inside)
    task = make_task(organization, kind=HUMAN_INPUT, candidates=[f"team:{team.pk}"])

    assert list(HumanTask.objects.inbox_of(inside)) == [task]
    assert list(HumanTask.objects.inbox_of(outside)) == []
    with pytest.raises(PermissionRefused):
        claim_task(actor=outside, task_id=task.pk)
    remove_from_team(actor=owner, team_membership_id=row.pk)
    assert list(HumanTask.objects.inbox_of(inside)) == []


def test_pages_make_fill_and_delete_a_team(client, organization, owner):
    client.force_login(User.objects.get(pk=owner.user_id))
    member = membership_of(actor_in(organization, "member"))

    client.post("/organization/teams/", {"name": "Support", "description": "Answers"})
    team = Team.objects.get()
    client.post(f"/organization/teams/{team.pk}/members/", {"member": str(member.pk)})
    row = TeamMembership.objects.get()
    client.post(f"/organization/team-members/{row.pk}/lead/", {"lead": "1"})
    row.refresh_from_db()
    page = client.get(f"/organization/teams/{team.pk}/").content.decode()
    client.post(f"/organization/teams/{team.pk}/", {"name": "Help", "description": ""})
    team.refresh_from_db()

    assert row.lead
    assert member.user.email in page
    assert team.name == "Help"
    client.post(f"/organization/teams/{team.pk}/delete/")
    assert not Team.objects.exists()


def test_a_taken_name_is_said_at_the_form(client, owner, team):
    client.force_login(User.objects.get(pk=owner.user_id))

    response = client.post("/organization/teams/", {"name": "Support"})

    assert b"There is a team of this name already." in response.content
    assert Team.objects.count() == 1


def test_lists_cost_the_same_however_long(
    client, organization, owner, team, django_assert_max_num_queries
):
    client.force_login(User.objects.get(pk=owner.user_id))
    for number in range(30):
        create_team(actor=owner, name=f"Team {number}")
        join(owner, team, actor_in(organization, "member"))

    with django_assert_max_num_queries(9):
        client.get("/organization/teams/")
    with django_assert_max_num_queries(9):
        client.get(f"/organization/teams/{team.pk}/")
    with django_assert_max_num_queries(6):
        client.get("/api/v1/teams/")
    with django_assert_max_num_queries(7):
        client.get(f"/api/v1/teams/{team.pk}/members/")
    with django_assert_max_num_queries(8):
        client.get("/organization/members/?q=e")
    with django_assert_max_num_queries(6):
        client.get("/api/v1/members/?q=e&role=member")
