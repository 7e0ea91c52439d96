"""Lists and single questions give the same answer: every role, key, grant and kind of project.

What should come out is worked out here anew, in plain loops over the tables of
`orgs.permissions`, not by the query under test.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client

from bpm.models import HumanTask
from bpm.tests.factories import make_task
from core.database import is_postgres
from core.ids import new_trace_id, uuid7
from files.models import StoredFile
from files.tests.factories import file_of
from orgs.access import Actor, can, system_actor
from orgs.actions import create_key
from orgs.models import (
    ApiKey,
    Membership,
    Project,
    ProjectGrant,
    ProjectTeamGrant,
    Role,
    Team,
    TeamMembership,
)
from orgs.permissions import (
    ASKED_IN_RESTRICTED,
    GRANTED_BY,
    IMPLIES,
    KEY_SCOPES,
    OPEN_EVERY_PROJECT,
    RIGHTS,
    SUPPORT,
    VERBS,
)
from orgs.tests.factories import OrganizationFactory, person_in
from workflows.models import (
    Event,
    Run,
    Step,
    Workflow,
    WorkflowGrant,
    WorkflowTeamGrant,
    WorkflowVersion,
)
from workflows.runtime.sweep import HUMAN_INPUT
from workflows.tests.factories import approval_flow, published

pytestmark = pytest.mark.django_db

VIEW = {
    Project: "project.view", Workflow: "workflow.view", WorkflowVersion: "workflow.view",
    Run: "run.view", Step: "run.view", Event: "run.view", StoredFile: "file.view",
    HumanTask: "task.view", ApiKey: "key.manage",
}  # fmt: skip
SHAREABLE = {Workflow: WorkflowGrant, Project: ProjectGrant}
TO_TEAMS = {Workflow: WorkflowTeamGrant, Project: ProjectTeamGrant}


@dataclass
class Thing:
    """A row, and the workflow and project it stands in."""

    row: Any
    workflow: Workflow | None
    project: Project | None


def run_of(flow):
    return Run.objects.create(
        organization_id=flow.organization_id, workflow=flow, version=flow.published,
        trigger=Run.Trigger.API, trace_id=new_trace_id(),
    )  # fmt: skip


def furnish(organization, restricted):
    """One row of everything in one project."""
    project = Project.objects.create(
        organization=organization, name=f"restricted {restricted}", restricted=restricted
    )
    flow = published(approval_flow(), organization)
    Workflow.objects.filter(pk=flow.pk).update(project=project)
    flow.refresh_from_db()
    run = run_of(flow)
    common = {"organization_id": organization.pk, "run": run, "node_id": "start"}
    step = Step.objects.create(
        **common, kind="start", status="succeeded", started_at=run.created_at,
        ended_at=run.created_at,
    )  # fmt: skip
    event = Event.objects.create(**common, seq=99, kind="x", at=run.created_at)
    nobody = [f"user:{uuid7()}"]
    task = make_task(organization, kind=HUMAN_INPUT, candidates=nobody, project_id=project.pk)
    owner = system_actor(organization.pk)
    key, _ = create_key(actor=owner, name="k", scopes=["run.view"], project_id=project.pk)
    file = file_of(owner, b"x", name="x.yml")
    StoredFile.objects.filter(pk=file.pk).update(project=project)
    rows = [flow, flow.published, run, step, event]
    return [
        Thing(project, None, project),
        *(Thing(row, flow, project) for row in rows),
        *(Thing(row, None, project) for row in (task, key, file)),
    ]


@pytest.fixture
def things():
    """Two organizations, each with an open and a restricted project."""
    made = {}
    for name in ("own", "other"):
        organization = OrganizationFactory(name=name)
        found = furnish(organization, restricted=False) + furnish(organization, restricted=True)
        made[name] = (organization, found)
    return made


def give(model, obj, right, user=None, team=None):
    permission = Permission.objects.get(codename=f"{right}_{obj._meta.model_name}")
    grants = SHAREABLE if user else TO_TEAMS
    holder = {"user": user} if user else {"group": team.group}
    grants[model].objects.create(permission=permission, content_object=obj, **holder)


def expected(actor: Actor, verb: str, thing: Thing, held: dict[Any, set[str]]) -> bool:
    """`held`: object's id -> rights granted on it to the person or a team of theirs."""
    if thing.row.organization_id != actor.organization_id:
        return False
    if actor.scopes is not None:
        return verb in actor.scopes and thing.project.pk == actor.project_id
    if actor.support_id is not None:
        return verb in SUPPORT[actor.role]
    by_role = actor.role in VERBS[verb]
    if by_role and (actor.role in OPEN_EVERY_PROJECT or not thing.project.restricted):
        return True
    granted = set(held.get(thing.project.pk, ()))
    if thing.workflow is not None:
        granted |= held.get(thing.workflow.pk, set())
    granted = {weak for strong in granted for weak in IMPLIES[strong]}
    if verb in GRANTED_BY:
        return GRANTED_BY[verb] in granted
    return by_role and ASKED_IN_RESTRICTED.get(verb) in granted


def disagreements(actor, things, held):
    """Every thing and verb where list, question and the tables do not say the same."""
    wrong = []
    for model, view in VIEW.items():
        rows = [thing for thing in things if isinstance(thing.row, model)]
        for verb in {view, *_verbs_on(model)}:
            listed = set(model.objects.visible_to(actor, verb).values_list("pk", flat=True))
            for thing in rows:
                answers = (
                    thing.row.pk in listed,
                    can(actor, verb, thing.row),
                    expected(actor, verb, thing, held),
                )
                if len(set(answers)) != 1:
                    wrong.append((model.__name__, verb, thing.project.name, answers))
    return wrong


def _verbs_on(model):
    if model is Project:
        return {"project.manage", "workflow.edit", "workflow.approve", "run.control"}
    noun = {Workflow: "workflow.", Run: "run."}.get(model)
    return {verb for verb in VERBS if noun and verb.startswith(noun)}


def all_of(things):
    return [thing for _, found in things.values() for thing in found]


GRANTS = [None, *product(("workflow", "project"), ("user", "team"), RIGHTS)]


@pytest.mark.parametrize("role", Role.values)
def test_roles_and_grants_say_the_same_in_lists_and_questions(things, role):
    organization, own = things["own"]
    user, actor = person_in(organization, role)
    team = Team.objects.create(
        organization=organization, name="Red", group=Group.objects.create(name="team:red")
    )
    member = Membership.objects.get(user=user)
    TeamMembership.objects.create(organization=organization, team=team, member=member)
    wrong = {}
    for chosen in GRANTS:
        for model in (*SHAREABLE.values(), *TO_TEAMS.values()):
            model.objects.all().delete()
        held = {}
        if chosen:
            what, whom, right = chosen
            kind = Workflow if what == "workflow" else Project
            for thing in own:
                if isinstance(thing.row, kind):
                    to = {"user": user} if whom == "user" else {"team": team}
                    give(kind, thing.row, right, **to)
                    held[thing.row.pk] = {right}
        if found := disagreements(actor, all_of(things), held):
            wrong[chosen] = found

    assert wrong == {}


def test_a_grant_reaches_one_workflow_and_no_neighbour(things):
    organization, own = things["own"]
    user, actor = person_in(organization, "guest")
    shared = next(t for t in own if isinstance(t.row, Workflow) and t.project.restricted)
    give(Workflow, shared.row, "view", user=user)

    assert disagreements(actor, all_of(things), {shared.row.pk: {"view"}}) == []
    assert list(Workflow.objects.visible_to(actor)) == [shared.row]
    assert not Project.objects.visible_to(actor).exists()


def test_a_team_of_another_organization_brings_nothing(things):
    """Somebody in two organizations, in a team of one: grants to it stay there."""
    organization, own = things["own"]
    user, actor = person_in(organization, "guest")
    elsewhere, _ = things["other"]
    member = Membership.objects.create(organization=elsewhere, user=user, role="member")
    team = Team.objects.create(
        organization=elsewhere, name="Blue", group=Group.objects.create(name="team:blue")
    )
    TeamMembership.objects.create(organization=elsewhere, team=team, member=member)
    for thing in own:
        if isinstance(thing.row, Workflow):
            give(Workflow, thing.row, "admin", team=team)

    assert disagreements(actor, all_of(things), {}) == []


def test_a_model_permission_opens_no_tenant(things):
    organization, _ = things["own"]
    user, actor = person_in(organization, "guest")
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_workflow"))
    user.groups.add(Group.objects.create(name="everything"))
    Group.objects.get(name="everything").permissions.set(Permission.objects.all())

    assert disagreements(actor, all_of(things), {}) == []


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("scopes", [(), ("workflow.view",), ("run.view", "key.manage"), KEY_SCOPES])
def test_keys_stay_in_their_project(things, restricted, scopes):
    organization, own = things["own"]
    project = next(t.project for t in own if t.project.restricted is restricted)
    maker, _ = person_in(organization)
    for thing in own:
        if isinstance(thing.row, Workflow):
            give(Workflow, thing.row, "admin", user=maker)  # grants are not for keys
    actor = Actor(
        organization.pk, api_key_id=uuid7(), scopes=frozenset(scopes), project_id=project.pk
    )

    assert disagreements(actor, all_of(things), {}) == []


@pytest.mark.parametrize("level", SUPPORT)
def test_support_looks_into_every_project_and_no_other_organization(things, level):
    organization, _ = things["own"]
    actor = Actor(organization.pk, role=level, user_id=uuid7(), support_id=uuid7())

    assert disagreements(actor, all_of(things), {}) == []


# -- through the doors


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("role", Role.values)
def test_api_and_pages_show_what_the_question_allows(things, role):
    organization, own = things["own"]
    user, actor = person_in(organization, role)
    shared = next(t for t in own if isinstance(t.row, Workflow) and t.project.restricted)
    give(Workflow, shared.row, "view", user=user)
    client = client_of(user)
    for thing in all_of(things):
        kind = {Workflow: "workflows", Run: "runs"}.get(type(thing.row))
        if kind is None:
            continue
        pk = getattr(thing.row, "public_id", thing.row.pk)
        allowed = can(actor, VIEW[type(thing.row)], thing.row)
        status = 200 if allowed else 404
        assert client.get(f"/api/v1/{kind}/{pk}/").status_code == status
        assert client.get(f"/{kind}/{pk}/").status_code == status
        listed = {row["id"] for row in client.get(f"/api/v1/{kind}/").json()["results"]}
        assert (str(pk) in listed) is allowed
        assert (str(pk) in client.get(f"/{kind}/").content.decode()) is allowed


def secret_world(organization):
    """A restricted project whose every text carries a mark."""
    mark = "SECRET-MARK"
    project = Project.objects.create(organization=organization, name=mark, restricted=True)
    flow = published(approval_flow(), organization)
    Workflow.objects.filter(pk=flow.pk).update(project=project, name=f"{mark} flow")
    flow.refresh_from_db()
    run = run_of(flow)
    make_task(
        organization, kind=HUMAN_INPUT, title=f"{mark} task", project_id=project.pk,
        candidates=[f"user:{uuid7()}"], trace_id=run.trace_id,
    )  # fmt: skip
    file = file_of(system_actor(organization.pk), b"x", name=f"{mark}.yml")
    StoredFile.objects.filter(pk=file.pk).update(project=project)
    return mark, run


LISTS = (
    "/", "/navigation/", "/workflows/", "/workflows/?q=SECRET", "/runs/", "/inbox/", "/inbox/list/",
    "/usage/", "/models/", "/organization/", "/organization/members/", "/organization/teams/",
    "/organization/projects/", "/organization/support/", "/keys/", "/audit/", "/audit/statistics/",
    "/api/v1/members/", "/api/v1/teams/", "/api/v1/projects/", "/api/v1/keys/",
    "/api/v1/audit/statistics/", "/trace/?id={trace}", "/api/v1/workflows/",
    "/api/v1/workflows/?name=SECRET", "/api/v1/runs/", "/api/v1/runs/?trace_id={trace}",
    "/api/v1/tasks/", "/api/v1/files/", "/api/v1/audit/", "/api/v1/usage/", "/api/v1/ledger/",
    "/api/v1/trace/{trace}/",
)  # fmt: skip


@pytest.mark.parametrize("role", ["builder", "approver", "finance", "member", "guest"])
def test_what_is_restricted_stands_in_no_list_count_search_or_panel(role):
    organization = OrganizationFactory()
    mark, run = secret_world(organization)
    client = client_of(person_in(organization, role)[0])

    for address in LISTS:
        text = client.get(address.format(trace=run.trace_id)).content.decode()
        assert mark not in text.replace("q=SECRET", ""), address
        assert str(run.public_id) not in text, address

    home = client.get("/")
    figures = {str(kpi.label): kpi.value for kpi in home.context["kpis"]}
    assert figures.get("Runs, 14 days", "0") == "0"
    owner = client_of(person_in(organization)[0])
    assert mark in owner.get("/workflows/").content.decode()


def walked(rows):
    """Rows of workflows that PostgreSQL read for a list, kept or not."""
    (told,) = json.loads(rows.explain(analyze=True, format="json"))
    nodes, found = [told["Plan"]], 0
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if node.get("Relation Name") == Workflow._meta.db_table:
            read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            found += read * node["Actual Loops"]
    return found


@pytest.mark.skipif(not is_postgres(), reason="asks PostgreSQL's planner")
def test_a_guest_of_few_workflows_does_not_walk_through_all():
    organization = OrganizationFactory()
    project = Project.objects.get(organization=organization)
    rows = Workflow.objects.bulk_create(
        Workflow(organization=organization, project=project, name=f"Flow {n}") for n in range(5000)
    )
    user, actor = person_in(organization, "guest")
    view = Permission.objects.get(codename="view_workflow")
    for row in rows[:3]:
        WorkflowGrant.objects.create(user=user, permission=view, content_object=row)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    found = Workflow.objects.visible_to(actor).order_by("-pk")[:26]

    assert set(found) == set(rows[:3])
    assert walked(found) < 50
