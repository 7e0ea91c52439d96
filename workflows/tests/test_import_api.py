"""Importing and publishing over REST: reports, kept originals, versions, refusals."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from audit.models import Entry
from files.actions import open_file
from files.models import StoredFile
from orgs.actions import archive_project, create_project
from orgs.grants import grant
from orgs.models import Project
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from workflows.models import Event, Run, Workflow, WorkflowVersion
from workflows.tests.factories import VersionFactory, approval_flow, published
from workflows.tests.import_samples import SUPPORT, within_graph
from workflows.tests.test_api import client_of

pytestmark = pytest.mark.django_db

IMPORT = "/api/v1/workflows/import/"
BROKEN = within_graph("""\
    nodes:
    - {id: begin, data: {type: start, title: S, variables: []}}
    - {id: odd, data: {type: teleport, title: T}}
    - {id: done, data: {type: end, title: E, outputs: []}}
    edges:
    - {source: begin, target: nowhere, sourceHandle: source}
    """)


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    return client_of(organization, "builder")


def send(client, content, **more):
    raw = content if isinstance(content, bytes) else content.encode()
    body = {"file": SimpleUploadedFile("support.yml", raw), **more}
    return client.post(IMPORT, body, format="multipart")


def nothing_is_stored():
    rooms = (Workflow, WorkflowVersion, StoredFile, Run, Event, Entry)
    return not any(model.objects.exists() for model in rooms)


# -- import


def test_an_import_stores_version_one_and_keeps_the_file_byte_for_byte(client, organization):
    raw = SUPPORT.encode() + b"# a last remark \xc3\xa4\n"

    response = send(client, raw)

    body = response.json()
    assert response.status_code == 201
    assert body["workflow"]["name"] == "Support mail"
    assert (body["version"]["number"], body["report"]["ok"]) == (1, True)
    version = WorkflowVersion.objects.get(pk=body["version"]["id"])
    with open_file(version.source) as kept:
        assert kept.read() == raw
    assert version.source.name == "support.yml"
    assert version.workflow.organization_id == organization.pk
    assert version.workflow.published is None
    entry = Entry.objects.get(action="workflows.version.imported")
    assert entry.trace_id == response.headers["X-Request-ID"]


def test_a_dry_run_reports_and_stores_nothing(client):
    response = send(client, SUPPORT, dry_run="true")

    assert response.status_code == 200
    assert response.json()["report"]["ok"] is True
    assert response.json()["workflow"] is None
    assert nothing_is_stored()


def test_a_dry_run_names_the_faults_too(client):
    response = send(client, BROKEN, dry_run="true")

    assert response.status_code == 200
    assert response.json()["report"]["ok"] is False
    assert nothing_is_stored()


def test_a_file_with_faults_is_refused_with_every_one_of_them(client):
    response = send(client, BROKEN)

    body = response.json()
    assert (response.status_code, body["code"]) == (422, "import_refused")
    faults = body["detail"]["report"]["faults"]
    assert {(fault["code"], fault["line"] is not None) for fault in faults} >= {
        ("unknown_kind", True),
        ("dangling_edge", True),
    }
    assert nothing_is_stored()


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"a: [", b"a: &x [*x]", b"!!python/object:os.system {}", b"[" * 5000],
    ids=["empty", "not text", "cut off", "alias", "tag", "deep"],
)
def test_what_is_no_flow_is_a_report_and_never_an_error(client, content):
    response = send(client, content)

    # An empty upload is refused by the form before anybody reads it.
    assert (response.status_code, response.json()["code"]) in {
        (422, "import_refused"),
        (400, "invalid_input"),
    }
    assert nothing_is_stored()


def test_more_than_ten_megabytes_are_refused_whatever_they_say(client):
    for dry_run in ("true", "false"):
        response = send(client, b"#" * (10 * 1024 * 1024 + 1), dry_run=dry_run)

        assert (response.status_code, response.json()["code"]) == (413, "file_too_large")
    assert nothing_is_stored()


def test_control_characters_in_a_file_do_not_break_the_store(client):
    hostile = SUPPORT.replace("name: Support mail", 'name: "Sup\\0port \\ud800 mail"')
    hostile = hostile.replace("title: Draft", 'title: "Dr\\0aft"')

    response = send(client, hostile)

    assert response.status_code in {201, 422}
    if response.status_code == 201:
        assert "\x00" not in Workflow.objects.get().name


def test_the_next_version_of_a_workflow(client):
    first = send(client, SUPPORT).json()

    second = send(
        client, SUPPORT.replace("Draft", "Second draft"), workflow=first["workflow"]["id"]
    )

    assert second.status_code == 201
    assert second.json()["version"]["number"] == 2
    assert second.json()["workflow"]["id"] == first["workflow"]["id"]
    assert second.json()["version"]["checksum"] != first["version"]["checksum"]
    listed = client.get(f"/api/v1/workflows/{first['workflow']['id']}/versions/").json()["results"]
    assert [row["number"] for row in listed] == [2, 1]
    assert "definition" not in listed[0]


def test_a_name_given_with_the_file_wins(client):
    assert send(client, SUPPORT, name="Ours").json()["workflow"]["name"] == "Ours"


def test_a_member_cannot_import(organization):
    response = send(client_of(organization, "member"), SUPPORT)

    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
    assert nothing_is_stored()


def granted(organization, role, right, obj=None):
    """(client of a new person, what they hold `right` on: a project of its own unless given)."""
    owner = actor_in(organization)
    obj = obj or create_project(actor=owner, name="Theirs")
    user, _ = person_in(organization, role)
    verb = "project.manage" if isinstance(obj, Project) else "workflow.share"
    grant(actor=owner, obj=obj, user_id=user.pk, right=right, verb=verb)
    client = APIClient()
    client.force_login(user)
    return client, obj


@pytest.mark.parametrize("role", ["guest", "member"])
def test_who_may_edit_in_a_project_imports_into_it_alone(organization, role):
    client, project = granted(organization, role, "edit")
    other = create_project(actor=actor_in(organization), name="Other", restricted=True)

    made = send(client, SUPPORT, project=str(project.pk))
    dry = send(client, SUPPORT, dry_run="true")
    elsewhere = [send(client, SUPPORT), send(client, SUPPORT, project=str(other.pk))]

    assert (made.status_code, dry.status_code) == (201, 200)
    assert [each.status_code for each in elsewhere] == [403, 404]
    assert Workflow.objects.get().project_id == project.pk
    assert StoredFile.objects.get().project_id == project.pk


@pytest.mark.parametrize("role", ["guest", "member"])
def test_a_weaker_right_on_a_project_imports_nothing(organization, role):
    client, project = granted(organization, role, "run")

    answers = [send(client, SUPPORT, project=str(project.pk)), send(client, SUPPORT, dry_run="1")]

    assert [each.status_code for each in answers] == [403, 403]
    assert not Workflow.objects.exists()
    assert not StoredFile.objects.exists()


def test_who_may_edit_a_workflow_gives_it_a_version_and_makes_no_other(organization):
    workflow = published(approval_flow(), organization)
    client, _ = granted(organization, "guest", "edit", workflow)

    made = send(client, SUPPORT, workflow=str(workflow.pk))
    refused = send(client, SUPPORT)

    assert (made.status_code, refused.status_code) == (201, 403)
    assert made.json()["version"]["number"] == 2
    assert list(Workflow.objects.all()) == [workflow]


def test_nobody_imports_into_a_project_that_is_archived(organization):
    client, project = granted(organization, "guest", "edit")
    archive_project(actor=actor_in(organization), project_id=project.pk)

    answer = send(client, SUPPORT, project=str(project.pk))

    assert answer.status_code == 403
    assert not Workflow.objects.exists()


def test_importing_into_a_workflow_of_others_finds_nothing(client):
    theirs = published(approval_flow())

    response = send(client, SUPPORT, workflow=str(theirs.pk))

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    theirs.refresh_from_db()
    assert theirs.latest_number == 1
    assert not StoredFile.objects.exists()


def test_a_version_shows_its_definition(client):
    made = send(client, SUPPORT).json()["version"]

    shown = client.get(f"/api/v1/versions/{made['id']}/").json()

    assert [each["type"] for each in shown["definition"]["nodes"]] == ["start", "llm", "end"]


# -- publication


def test_publishing_the_latest_version_and_repeating_it(client):
    workflow = send(client, SUPPORT).json()["workflow"]["id"]

    first = client.post(f"/api/v1/workflows/{workflow}/publish/")
    again = client.post(f"/api/v1/workflows/{workflow}/publish/")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["published_at"]
    assert client.get(f"/api/v1/workflows/{workflow}/").json()["published_number"] == 1
    assert Entry.objects.filter(action="workflows.version.published").count() == 1


def test_an_earlier_version_can_be_published_again(client, organization):
    workflow = published(approval_flow(), organization)
    second = VersionFactory(workflow=workflow, number=2)
    address = f"/api/v1/workflows/{workflow.pk}/publish/"

    client.post(address, {"version": str(second.pk)})
    back = client.post(address, {"version": str(workflow.published_id)})

    assert back.status_code == 200
    workflow.refresh_from_db()
    assert workflow.published.number == 1


def test_tools_that_lead_nowhere_keep_a_version_from_being_published(client, organization):
    unbound = [{"node_id": "t", "title": "T", "tool": "search", "provider": "bing"}]
    version = VersionFactory(
        workflow__organization=organization, report={"ok": True, "unbound": unbound}
    )

    response = client.post(f"/api/v1/workflows/{version.workflow_id}/publish/")

    assert (response.status_code, response.json()["code"]) == (409, "unbound_tools")
    assert response.json()["detail"]["tools"] == unbound
    version.workflow.refresh_from_db()
    assert version.workflow.published is None
    assert not Entry.objects.exists()


def test_a_version_of_another_workflow_is_not_found(client, organization):
    workflow, other = (published(approval_flow(), organization) for _ in range(2))

    response = client.post(
        f"/api/v1/workflows/{workflow.pk}/publish/", {"version": str(other.published_id)}
    )

    assert response.status_code == 404
    workflow.refresh_from_db()
    assert workflow.published_id != other.published_id


def test_a_member_cannot_publish(organization):
    version = VersionFactory(workflow__organization=organization)

    response = client_of(organization, "member").post(
        f"/api/v1/workflows/{version.workflow_id}/publish/"
    )

    assert response.status_code == 403
    version.workflow.refresh_from_db()
    assert version.workflow.published is None
