"""Sharing projects, with people and with teams."""

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from audit.models import Entry
from core.errors import NotFound, PermissionRefused
from orgs.actions import create_key, remove_member
from orgs.models import (
    ApiKey,
    Membership,
    Project,
    ProjectGrant,
    ProjectTeamGrant,
    Team,
    TeamMembership,
)
from orgs.permissions import GRANTED_BY, IMPLIES, KEY_SCOPES, RIGHTS, VERBS, granting
from orgs.tests.factories import OrganizationFactory, person_in
from workflows.actions import import_flow
from workflows.models import Workflow
from workflows.tests.factories import approval_flow, published
from workflows.tests.import_samples import SUPPORT as FLOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def project(organization):
    return Project.objects.create(organization=organization, name="Secret", restricted=True)


@pytest.fixture
def workflow(organization, project):
    flow = published(approval_flow(), organization)
    Workflow.objects.filter(pk=flow.pk).update(project=project)
    return flow


@pytest.fixture
def owner(organization):
    return client_of(person_in(organization)[0])


def client_of(user):
    client = APIClient()
    client.force_login(user)
    return client


def team_of(organization, *users):
    group = Group.objects.create(name=f"team:{organization.pk}")
    team = Team.objects.create(organization=organization, name="Red", group=group)
    for user in users:
        member = Membership.objects.get(organization=organization, user=user)
        TeamMembership.objects.create(organization=organization, team=team, member=member)
    return team


def share(client, project, **body):
    return client.post(f"/api/v1/projects/{project.pk}/grants/", body, format="json")


def test_a_team_gets_at_a_restricted_project_and_all_in_it(organization, project, workflow, owner):
    user, _ = person_in(organization, "guest")
    other, _ = person_in(organization, "builder")
    team = team_of(organization, user)

    answer = share(owner, project, team=str(team.pk), right="edit")

    assert answer.status_code == 201
    assert [(row["kind"], row["name"], row["rights"]) for row in answer.json()] == [
        ("team", "Red", ["edit"])
    ]
    assert client_of(user).get(f"/api/v1/workflows/{workflow.pk}/").status_code == 200
    assert client_of(other).get(f"/api/v1/workflows/{workflow.pk}/").status_code == 404
    entry = Entry.objects.get(action="orgs.grant.given")
    assert entry.data == {"team": str(team.pk), "right": "edit"}

    gone = owner.delete(f"/api/v1/projects/{project.pk}/grants/?team={team.pk}&right=edit")

    assert gone.status_code == 204
    assert client_of(user).get(f"/api/v1/workflows/{workflow.pk}/").status_code == 404


def test_who_leaves_the_team_leaves_what_it_was_granted(organization, project, workflow, owner):
    user, _ = person_in(organization, "member")
    team = team_of(organization, user)
    share(owner, project, team=str(team.pk), right="view")
    client = client_of(user)
    assert client.get(f"/api/v1/workflows/{workflow.pk}/").status_code == 200

    TeamMembership.objects.all().delete()

    assert client.get(f"/api/v1/workflows/{workflow.pk}/").status_code == 404


def test_grants_of_the_project_end_with_the_membership(organization, project, owner):
    user, _ = person_in(organization, "guest")
    _, boss = person_in(organization)
    share(owner, project, user=str(user.pk), right="view")
    assert ProjectGrant.objects.count() == 1

    remove_member(actor=boss, membership_id=Membership.objects.get(user=user).pk)

    assert not ProjectGrant.objects.exists()


@pytest.mark.parametrize(
    "odd", [{"right": "own"}, {}, {"right": "view", "team": "0192f0c1-0000-7000-8000-000000000000"}]
)
def test_odd_grants_are_refused(organization, project, owner, odd):
    user, _ = person_in(organization, "guest")
    both = {"right": "view", "user": str(user.pk), "team": str(team_of(organization).pk)}

    assert share(owner, project, **odd).status_code in {400, 404}
    assert share(owner, project, **both).status_code == 400
    assert share(owner, project, right="view").status_code == 400
    assert not ProjectGrant.objects.exists()
    assert not ProjectTeamGrant.objects.exists()


def test_a_team_of_others_cannot_be_shared_with(project, owner):
    foreign = team_of(OrganizationFactory())

    assert share(owner, project, team=str(foreign.pk), right="view").status_code == 404
    assert not ProjectTeamGrant.objects.exists()


def test_who_administers_a_project_shares_it_and_members_do_not(organization, project, owner):
    user, _ = person_in(organization, "guest")
    friend, _ = person_in(organization, "guest")
    assert share(client_of(user), project, user=str(friend.pk), right="view").status_code == 404
    share(owner, project, user=str(user.pk), right="publish")
    assert share(client_of(user), project, user=str(friend.pk), right="view").status_code == 403

    share(owner, project, user=str(user.pk), right="admin")

    assert share(client_of(user), project, user=str(friend.pk), right="view").status_code == 201


def test_the_page_shares_a_project_and_leads_back(organization, project, owner):
    user, _ = person_in(organization, "guest")
    where = f"/organization/projects/{project.pk}/share/"

    given = owner.post(
        where,
        {"holder": f"user:{user.pk}", "right": "run"},
        format="multipart",
        headers={"referer": "http://testserver/organization/"},
    )

    assert (given.status_code, given.url) == (302, "http://testserver/organization/")
    assert ProjectGrant.objects.get().user_id == user.pk
    owner.post(
        where, {"holder": f"user:{user.pk}", "right": "run", "revoke": "1"}, format="multipart"
    )
    assert not ProjectGrant.objects.exists()


# -- making things in a restricted project


def test_only_who_edits_there_imports_into_a_restricted_project(organization, project, owner):
    user, builder = person_in(organization, "builder")

    def import_into():
        return import_flow(
            actor=builder, raw=FLOW.encode(), filename="f.yml", project_id=project.pk
        )

    with pytest.raises(NotFound):
        import_into()
    share(owner, project, user=str(user.pk), right="run")
    with pytest.raises(PermissionRefused):
        import_into()
    assert not Workflow.objects.exists()

    share(owner, project, user=str(user.pk), right="edit")

    assert import_into().workflow.project_id == project.pk


def test_a_key_for_a_restricted_project_takes_its_administration(organization, project, owner):
    user, builder = person_in(organization, "builder")
    share(owner, project, user=str(user.pk), right="publish")

    with pytest.raises(PermissionRefused):
        create_key(actor=builder, name="k", scopes=["run.view"], project_id=project.pk)
    assert not ApiKey.objects.exists()

    share(owner, project, user=str(user.pk), right="admin")
    key, _ = create_key(actor=builder, name="k", scopes=["run.view"], project_id=project.pk)

    other, _ = person_in(organization, "builder")
    assert client_of(other).get(f"/api/v1/keys/{key.pk}/").status_code == 404
    assert client_of(user).get(f"/api/v1/keys/{key.pk}/").status_code == 200


# -- the tables


def test_implications_are_closed_and_reach_every_right():
    assert set(IMPLIES) == set(RIGHTS)
    for right, brought in IMPLIES.items():
        assert right in brought
        assert all(IMPLIES[weak] <= brought for weak in brought)
    assert granting("view") == set(RIGHTS)
    assert granting("approve") == {"approve", "admin"}


def test_the_tables_name_only_verbs_and_rights_there_are():
    assert set(GRANTED_BY) <= set(VERBS)
    assert set(GRANTED_BY.values()) <= set(RIGHTS)
    assert not {"member.manage", "org.manage", "team.manage", "workflow.share"} & set(KEY_SCOPES)
