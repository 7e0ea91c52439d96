"""Projects: names, archiving, deleting, and what an archived one still allows."""

import pytest

from accounts.models import User
from audit.models import Entry
from core.errors import NotFound, PermissionRefused
from orgs.actions import (
    archive_project,
    create_key,
    create_project,
    delete_project,
    unarchive_project,
    update_project,
)
from orgs.errors import DefaultProject, NameTaken, ProjectArchived, ProjectNotEmpty
from orgs.keys import verify_key
from orgs.models import ApiKey, Project
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import import_flow, move_workflow, start_run
from workflows.models import Run, Workflow
from workflows.tests.factories import VersionFactory
from workflows.tests.import_samples import SUPPORT

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def owner(organization):
    return actor_in(organization)


@pytest.fixture
def project(owner):
    return create_project(actor=owner, name="Claims")


def default_of(organization):
    return Project.objects.get(organization=organization, is_default=True)


def test_a_name_is_taken_once_whatever_its_case(owner, project):
    other = create_project(actor=owner, name="Other")

    with pytest.raises(NameTaken):
        create_project(actor=owner, name="CLAIMS")
    with pytest.raises(NameTaken):
        update_project(actor=owner, project_id=other.pk, name="claims")

    other.refresh_from_db()
    assert other.name == "Other"


def test_builders_work_in_projects_and_do_not_make_them(organization, project):
    builder = actor_in(organization, "builder")

    with pytest.raises(PermissionRefused):
        create_project(actor=builder, name="Mine")
    with pytest.raises(PermissionRefused):
        archive_project(actor=builder, project_id=project.pk)

    assert Project.objects.count() == 2


def test_the_default_project_stays(organization, owner):
    home, entries = default_of(organization), Entry.objects.count()

    for end in (archive_project, delete_project):
        with pytest.raises(DefaultProject):
            end(actor=owner, project_id=home.pk)

    home.refresh_from_db()
    assert home.archived_at is None
    assert Entry.objects.count() == entries


def test_a_project_with_something_in_it_is_not_deleted(owner, project):
    version = import_flow(
        actor=owner, raw=SUPPORT.encode(), filename="f.yml", project_id=project.pk
    )
    create_key(actor=owner, name="k", scopes=["run.view"], project_id=project.pk)

    with pytest.raises(ProjectNotEmpty) as refused:
        delete_project(actor=owner, project_id=project.pk)

    assert refused.value.detail["holds"] == {"files": 1, "keys": 1, "workflows": 1}
    assert Workflow.objects.get().project_id == project.pk
    assert version.workflow.project_id == project.pk


def test_an_empty_one_is_deleted_with_its_dead_keys(owner, project):
    create_key(actor=owner, name="k", scopes=["run.view"], project_id=project.pk)
    archive_project(actor=owner, project_id=project.pk)

    delete_project(actor=owner, project_id=project.pk)

    assert not ApiKey.objects.exists()
    assert Project.objects.count() == 1


def test_nothing_new_comes_into_an_archived_project_or_starts_in_it(organization, owner, project):
    version = VersionFactory(workflow__organization=organization, workflow__project_id=project.pk)
    _, token = create_key(actor=owner, name="k", scopes=["run.view"], project_id=project.pk)
    run = start_run(
        actor=owner, workflow_id=version.workflow_id, version_id=version.pk, inputs={"what": "x"}
    )
    elsewhere = VersionFactory(workflow__organization=organization).workflow

    archive_project(actor=owner, project_id=project.pk)

    for refused in (
        lambda: import_flow(
            actor=owner, raw=SUPPORT.encode(), filename="f.yml", project_id=project.pk
        ),
        lambda: import_flow(
            actor=owner, raw=SUPPORT.encode(), filename="f.yml", workflow_id=version.workflow_id
        ),
        lambda: create_key(actor=owner, name="n", scopes=["run.view"], project_id=project.pk),
        lambda: start_run(actor=owner, workflow_id=version.workflow_id, inputs={"what": "x"}),
        lambda: move_workflow(actor=owner, workflow_id=elsewhere.pk, project_id=project.pk),
    ):
        with pytest.raises(ProjectArchived):
            refused()
    assert verify_key(token) is None
    assert Run.objects.get().state == run.state  # what was under way goes on
    assert Workflow.objects.filter(project=project).count() == 1

    unarchive_project(actor=owner, project_id=project.pk)
    assert verify_key(token) is None
    start_run(
        actor=owner, workflow_id=version.workflow_id, version_id=version.pk, inputs={"what": "x"}
    )
    assert Run.objects.count() == 2


def test_a_workflow_moves_with_its_runs_and_the_trail_says_so(organization, owner, project):
    workflow = VersionFactory(workflow__organization=organization).workflow

    move_workflow(actor=owner, workflow_id=workflow.pk, project_id=project.pk)
    move_workflow(actor=owner, workflow_id=workflow.pk, project_id=project.pk)

    workflow.refresh_from_db()
    assert workflow.project == project
    entry = Entry.objects.get(action="workflows.workflow.moved")
    assert entry.after == {"project": str(project.pk)}


def test_it_moves_to_no_project_of_others(organization, owner):
    workflow = VersionFactory(workflow__organization=organization).workflow
    foreign = default_of(OrganizationFactory())

    with pytest.raises(NotFound):
        move_workflow(actor=owner, workflow_id=workflow.pk, project_id=foreign.pk)

    workflow.refresh_from_db()
    assert workflow.project == default_of(organization)


def test_pages_make_change_archive_and_delete_a_project(client, owner):
    client.force_login(User.objects.get(pk=owner.user_id))

    client.post("/organization/projects/", {"name": "Claims", "restricted": "on"})
    project = Project.objects.get(name="Claims")
    url = f"/organization/projects/{project.pk}/"
    client.post(url, {"name": "Complaints", "description": "What went wrong"})
    client.post(f"{url}archive/")
    page = client.get(url).content.decode()
    project.refresh_from_db()

    assert (project.name, project.restricted) == ("Complaints", False)
    assert "What went wrong" in page
    assert project.archived_at
    client.post(f"{url}unarchive/")
    client.post(f"{url}delete/")
    assert not Project.objects.filter(pk=project.pk).exists()


def test_workflows_are_listed_by_project(client, organization, owner, project):
    client.force_login(User.objects.get(pk=owner.user_id))
    here = VersionFactory(
        workflow__organization=organization, workflow__project_id=project.pk, workflow__name="Here"
    ).workflow
    VersionFactory(workflow__organization=organization, workflow__name="There")

    rows = client.get(f"/api/v1/workflows/?project={project.pk}").json()["results"]
    page = client.get(f"/workflows/?project={project.pk}").content.decode()

    assert [row["id"] for row in rows] == [str(here.pk)]
    assert ("Here" in page, "There" in page) == (True, False)
    assert client.get("/api/v1/workflows/?project=x").json()["code"] == "invalid_input"


def test_the_list_costs_the_same_however_long(client, owner, django_assert_max_num_queries):
    client.force_login(User.objects.get(pk=owner.user_id))
    for number in range(30):
        create_project(actor=owner, name=f"P {number}")

    with django_assert_max_num_queries(9):
        client.get("/organization/projects/")
    with django_assert_max_num_queries(6):
        client.get("/api/v1/projects/")
