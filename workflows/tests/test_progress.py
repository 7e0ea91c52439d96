"""What a run's page says of rounds, of nodes in them, and of runs that belong together."""

from html import unescape

import pytest
from django.utils.timezone import now

from orgs.tests.factories import OrganizationFactory
from workflows.models import BulkCommand, Event, Run, RunWait, Step
from workflows.tests.factories import make_runs, published
from workflows.tests.flows import end, flow, node, start, template
from workflows.tests.test_pages import client_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    return client_of(organization, "owner")


def iterating():
    return flow(
        start("xs"),
        node("it", "iteration", iterator_selector=["start", "xs"], start_node_id="go"),
        node("go", "iteration-start") | {"parent": "it"},
        template("draft", "T") | {"parent": "it"},
        end(o="it.output"),
        edges=["start -> it", "go -> draft", "it -> end"],
    )


def step(run, node_id, iteration="", status="succeeded", **more):
    at = now()
    common = {"organization_id": run.organization_id, "run": run, "kind": "k"}
    return Step.objects.create(
        **common, node_id=node_id, iteration=iteration, status=status, started_at=at, ended_at=at,
        **more,
    )  # fmt: skip


def state_of(text, node_id):
    return (
        text.partition(f'data-node="{node_id}"')[2].partition('data-state="')[2].partition('"')[0]
    )


@pytest.fixture
def run(organization):
    """Three items; the second round failed at `draft`, the third is at work there."""
    inputs = {"xs": ["a", "b", "c"]}
    workflow = published(iterating(), organization)
    (made,) = make_runs(organization, 1, workflow, state="running", inputs=inputs)
    step(made, "start")
    for n in range(3):
        step(made, "go", str(n))
    step(made, "draft", "0", outputs={"output": "of the first"})
    step(made, "draft", "1", status="failed", error="Broken round")
    return made


def test_a_container_says_how_many_rounds_have_begun(client, run):
    text = text_of(client.get(f"/runs/{run.public_id}/"))

    assert "3 / 3" in text
    assert state_of(text, "it") == "running"
    assert state_of(text, "draft") == "failed"
    assert 'class="box"' in text


def test_an_ended_run_has_nothing_at_work(client, run):
    Run.objects.filter(pk=run.pk).update(state="cancelled", ended_at=now())

    assert state_of(text_of(client.get(f"/runs/{run.public_id}/")), "it") == "cancelled"


def test_a_failure_that_the_flow_handles_is_an_exception(client, run):
    data = {"handled": True}
    Event.objects.create(
        organization_id=run.organization_id, run=run, seq=1, kind="node.failed", node_id="end",
        data=data, at=now(),
    )  # fmt: skip

    assert state_of(text_of(client.get(f"/runs/{run.public_id}/")), "end") == "exception"


def test_the_panel_of_a_node_shows_one_round(client, run):
    url = f"/runs/{run.public_id}/node/"

    telling = text_of(client.get(url, {"node": "draft"}))
    first = text_of(client.get(url, {"node": "draft", "round": "0"}))

    assert "Broken round" in telling
    assert "of the first" not in telling
    assert "of the first" in first
    assert '<option value="0" selected>' in first
    assert "not finished in this round" in text_of(client.get(url, {"node": "draft", "round": "9"}))


def test_a_round_that_waits_can_be_chosen(client, run):
    common = {"organization_id": run.organization_id, "run": run, "created_at": now()}
    RunWait.objects.create(**common, node_id="draft", iteration="2", kind="timer", key="k")

    text = text_of(client.get(f"/runs/{run.public_id}/node/", {"node": "draft"}))

    assert '<option value="2">2 · Waiting</option>' in text


def test_the_list_of_events_names_the_round(client, run):
    Event.objects.create(
        organization_id=run.organization_id, run=run, seq=1, kind="node.started", node_id="draft",
        data={"iteration": "2"}, at=now(),
    )  # fmt: skip

    assert "node.started draft [2]" in text_of(client.get(f"/runs/{run.public_id}/"))


def test_runs_that_belong_together_lead_to_each_other(client, organization, run):
    (child,) = make_runs(organization, 1, run.workflow, parent=run, parent_node="it")
    (again,) = make_runs(organization, 1, run.workflow, source=run, source_node="draft")

    above = text_of(client.get(f"/runs/{run.public_id}/"))
    below = text_of(client.get(f"/runs/{child.public_id}/"))
    panel = text_of(client.get(f"/runs/{run.public_id}/node/", {"node": "it"}))
    rerun = text_of(client.get(f"/runs/{again.public_id}/"))

    assert f'href="/runs/{child.public_id}/"' in above
    assert f'href="/runs/{child.public_id}/"' in panel
    assert f'href="/runs/{run.public_id}/"' in below
    assert f'href="/runs/{run.public_id}/"' in rerun


def test_a_run_of_another_organization_is_never_named(client, organization, run):
    (theirs,) = make_runs(OrganizationFactory(), 1)
    Run.objects.filter(pk=run.pk).update(parent=theirs, source=theirs)
    Run.objects.filter(pk=theirs.pk).update(parent=run)

    assert str(theirs.public_id) not in text_of(client.get(f"/runs/{run.public_id}/"))


def test_a_page_of_many_rounds_takes_as_many_queries(client, run, django_assert_max_num_queries):
    for n in range(3, 30):
        step(run, "go", str(n))
        step(run, "draft", str(n))

    with django_assert_max_num_queries(40):
        client.get(f"/runs/{run.public_id}/")


def test_the_list_of_runs_offers_workflows_by_name(client, run):
    theirs = published(iterating())

    text = text_of(client.get("/runs/", {"workflow": str(run.workflow_id)}))

    assert f'<option value="{run.workflow_id}" selected>{run.workflow.name}</option>' in text
    assert f"Workflow: {run.workflow.name}" in text
    assert str(theirs.pk) not in text


def test_all_that_fit_are_commanded_by_the_whole_filter(client, run):
    asked = {"workflow": str(run.workflow_id), "trigger": "api", "state": "running"}
    text = text_of(client.get("/runs/", asked))
    typed = unescape(text.partition('name="filter" value="')[2].partition('"')[0])

    client.post("/runs/bulk/", {"command": "pause", "all": "on", "filter": typed})

    assert BulkCommand.objects.get().filters == asked
    assert "State: Running" in text_of(client.get("/runs/bulk/"))
