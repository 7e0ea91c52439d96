"""Pages of workflows asked odd questions, or showing what strangers wrote."""

import pytest

from audit.models import Entry
from orgs.tests.factories import OrganizationFactory
from workflows.models import Run, RunWait, Workflow, WorkflowVersion
from workflows.tests.factories import approval_flow, end, flow, make_runs, node, published
from workflows.tests.test_import_api import BROKEN
from workflows.tests.test_pages import client_of, finished_run, text_of, upload

pytestmark = pytest.mark.django_db

HOSTILE = """<script>alert("x")</script><img src=x onerror=alert(1)>'"&{{ 7*7 }}</textarea>"""


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    return client_of(organization, "builder")


@pytest.mark.parametrize(
    "address",
    [
        "/workflows/?q=%00",
        "/workflows/?page=x",
        "/workflows/?page=99999999999999999999",
        "/runs/?before=" + "9" * 5000,
        "/runs/?before=x&state=%00",
        "/trace/?id=%00",
        "/trace/?id=" + "a" * 5000,
    ],
)
def test_an_odd_question_gets_a_plain_answer(client, organization, address):
    make_runs(organization, 1)

    assert client.get(address).status_code == 200


@pytest.mark.parametrize("version", ["x", "9" * 5000, "-1", "%00"])
def test_an_odd_version_shows_the_published_one(client, organization, version):
    workflow = published(approval_flow(), organization)

    text = text_of(client.get(f"/workflows/{workflow.pk}/?version={version}"))

    assert 'data-node="start"' in text


@pytest.mark.parametrize("node_id", ["", "nobody", "%00", "%3Cscript%3E"])
def test_a_node_that_is_none_says_so(client, organization, node_id):
    (run,) = make_runs(organization, 1)

    text = text_of(client.get(f"/runs/{run.public_id}/node/?node={node_id}"))

    assert "has not finished" in text
    assert "<script>" not in text


@pytest.mark.parametrize("version", [None, "", "x", "0192f0c1-0000-7000-8000-000000000001"])
@pytest.mark.parametrize("verb", ["publish", "start"])
def test_a_form_without_a_right_version_changes_nothing(client, organization, verb, version):
    workflow = published(approval_flow(), organization)
    given = {"input-what": "x"} | ({} if version is None else {"version": version})

    response = client.post(f"/workflows/{workflow.pk}/{verb}/", given)

    assert response.status_code == 404
    assert not Run.objects.exists()
    assert not Entry.objects.exists()


@pytest.fixture
def hostile(organization):
    """A workflow and a run with hostile text in every place a stranger can write to."""
    variables = [
        {
            "variable": "what",
            "type": kind,
            "label": HOSTILE,
            "default": HOSTILE,
            "options": [HOSTILE],
        }
        for kind in ("text-input", "paragraph", "select")
    ]
    definition = flow(
        [
            {**node("start", "start", variables=variables), "title": HOSTILE},
            {**node(HOSTILE, "llm", model={"name": HOSTILE}), "title": HOSTILE},
            {**node("call", "tool", tool_label=HOSTILE), "title": HOSTILE},
            end(),
        ],
        [("start", HOSTILE), (HOSTILE, "call", HOSTILE[:14]), ("call", "end")],
    )
    finding = {"code": HOSTILE, "message": HOSTILE, "path": HOSTILE, "node_id": HOSTILE, "line": 1}
    workflow = published(definition, organization)
    Workflow.objects.filter(pk=workflow.pk).update(name=HOSTILE, description=HOSTILE)
    WorkflowVersion.objects.filter(workflow=workflow).update(
        report={
            "ok": False,
            "faults": [finding],
            "warnings": [finding],
            "repairs": [finding],
            "unbound": [finding | {"title": HOSTILE, "tool": HOSTILE, "provider": HOSTILE}],
            "summary": {"nodes": HOSTILE, "edges": 3},
        },
        note=HOSTILE,
    )
    run = finished_run(
        organization,
        workflow,
        inputs={HOSTILE: HOSTILE},
        outputs={"answer": HOSTILE, HOSTILE: HOSTILE},
        error={"code": HOSTILE, "message": HOSTILE, "node_id": HOSTILE},
    )
    RunWait.objects.create(
        organization_id=organization.pk, run=run, node_id=HOSTILE[:90], kind="human", key="k"
    )
    return workflow, run


def test_what_strangers_wrote_is_shown_as_text(client, organization, hostile):
    workflow, run = hostile
    addresses = [
        "/",
        "/workflows/",
        f"/workflows/?q={'%3Cscript%3E'}",
        f"/workflows/{workflow.pk}/",
        "/runs/",
        f"/runs/{run.public_id}/",
        f"/runs/{run.public_id}/result/",
        f"/runs/{run.public_id}/node/?node=start",
        f"/trace/?id={run.trace_id}",
        "/trace/?id=%3Cscript%3E",
    ]

    for address in addresses:
        text = text_of(client.get(address))
        assert "<script>alert" not in text, address
        assert "<img src=x" not in text, address
        assert 'onerror=alert(1)>"' not in text, address


def test_a_hostile_file_is_reported_as_text(client):
    content = BROKEN.replace(b"title: T", b"title: '<script>alert(1)</script>'")
    content = content.replace(b"type: teleport", b"type: '<script>alert(2)</script>'")

    text = text_of(client.post("/workflows/import/", {"file": upload(content), "check": "1"}))

    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_no_page_carries_a_script_of_its_own(client, organization):
    workflow = published(approval_flow(), organization)
    (run,) = make_runs(organization, 1, workflow)

    for address in ("/workflows/", f"/workflows/{workflow.pk}/", f"/runs/{run.public_id}/"):
        response = client.get(address)
        policy = response.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
