"""Finding, drawing, comparing and counting runs, through pages and API alike."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.urls import reverse
from django.utils.timezone import now

from audit.models import Entry
from core.errors import InvalidInput, NotFound, PermissionRefused
from orgs.models import Project
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import set_searchable, start_run
from workflows.actions.searchable import read_lines, write_lines
from workflows.history.compare import MOST_DIFFERENCES, diff
from workflows.history.rollup import count_ended
from workflows.history.timeline import MOST_BARS, Bar, timeline_of, together
from workflows.models import Event, Run, RunTag, RunWait, Step
from workflows.tests.callers import client_of, page_client
from workflows.tests.factories import approval_flow, make_runs, published

pytestmark = pytest.mark.django_db
SAID = [
    {"name": "what", "source": "input", "path": "what"},
    {"name": "verdict", "source": "output", "path": "answer.verdict"},
]


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def workflow(organization):
    return published(approval_flow(), organization)


@pytest.fixture
def api(organization):
    return client_of(organization, "builder")


def found(api, **query):
    answer = api.get("/api/v1/runs/", query)
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["results"]]


# -- searchable values


def test_runs_are_found_by_declared_inputs_at_once_and_outputs_after_their_end(
    organization, workflow, api
):
    owner = actor_in(organization)
    set_searchable(actor=owner, workflow_id=workflow.pk, values=SAID)
    one = start_run(actor=owner, workflow_id=workflow.pk, inputs={"what": "order 4711"})
    two = start_run(actor=owner, workflow_id=workflow.pk, inputs={"what": "order 4712"})

    assert found(api, tag="what:order 4711") == [str(one.public_id)]
    assert found(api, tag="what:order 47*") == [str(two.public_id), str(one.public_id)]
    assert found(api, tag="verdict:good") == []

    Run.objects.filter(pk=one.pk).update(
        state="succeeded", epoch=1, ended_at=now(), outputs={"answer": {"verdict": "good"}}
    )
    count_ended()

    assert found(api, tag="verdict:good") == [str(one.public_id)]
    assert RunTag.objects.filter(run=one).count() == 2
    others = client_of(OrganizationFactory(), "owner")
    assert found(others, tag="verdict:good") == []


def test_a_tag_that_is_none_is_refused(api):
    for tag in ("what", ":x", "what:", "what:*"):
        assert api.get("/api/v1/runs/", {"tag": tag}).status_code == 400


def test_who_may_edit_declares_by_api_and_page_with_an_entry_in_the_trail(
    organization, workflow, api
):
    url = f"/api/v1/workflows/{workflow.pk}/searchable/"

    assert api.put(url, {"values": SAID}, format="json").json() == {"values": SAID}
    page = page_client(organization, "builder")
    page.post(reverse("workflow_searchable", args=[workflow.pk]), {"values": "n = output: a.0.b"})

    workflow.refresh_from_db()
    assert workflow.searchable == [{"name": "n", "source": "output", "path": "a.0.b"}]
    entries = Entry.objects.filter(action="workflows.workflow.searchable_changed")
    assert entries.count() == 2
    assert read_lines(write_lines(SAID)) == SAID


@pytest.mark.parametrize(
    "values",
    [
        [SAID[0], SAID[0]],
        [{"name": "9", "source": "input", "path": "x"}],
        [{"name": "a", "source": "elsewhere", "path": "x"}],
        [{"name": "a", "source": "input", "path": "x..y"}],
        [{"name": "a", "source": "input", "path": ""}],
        [{"name": f"n{n}", "source": "input", "path": "x"} for n in range(11)],
    ],
)
def test_an_odd_declaration_changes_nothing(organization, workflow, values):
    with pytest.raises(InvalidInput):
        set_searchable(actor=actor_in(organization), workflow_id=workflow.pk, values=values)
    workflow.refresh_from_db()
    assert workflow.searchable == []


def test_who_may_not_edit_declares_nothing(organization, workflow):
    with pytest.raises(PermissionRefused):
        set_searchable(actor=actor_in(organization, "member"), workflow_id=workflow.pk, values=SAID)
    with pytest.raises(NotFound):
        set_searchable(actor=actor_in(OrganizationFactory()), workflow_id=workflow.pk, values=SAID)
    workflow.refresh_from_db()
    assert workflow.searchable == []


# -- the list


def test_runs_are_narrowed_by_everything_that_is_offered(organization, workflow, api):
    at = now() - timedelta(days=3)
    (old,) = make_runs(
        organization, 1, workflow, state="failed", error={"code": "boom"}, started_at=at,
        ended_at=at + timedelta(seconds=90),
    )  # fmt: skip
    Run.objects.filter(pk=old.pk).update(created_at=at, trigger="schedule")
    (child,) = make_runs(organization, 1, workflow, parent=old, source=old)
    make_runs(organization, 3)
    old_id, child_id = str(old.public_id), str(child.public_id)

    assert found(api, error="boom") == [old_id]
    assert found(api, trigger="schedule") == [old_id]
    assert found(api, min_seconds="60", max_seconds="100") == [old_id]
    assert found(api, min_seconds="100") == []
    assert found(api, until=(at + timedelta(days=1)).isoformat()) == [old_id]
    assert found(api, since=at.isoformat(), workflow=str(workflow.pk)) == [child_id, old_id]
    assert found(api, parent=old_id) == found(api, source=old_id) == [child_id]
    assert found(api, id=old_id) == [old_id]
    assert found(api, state="failed") == [old_id]


def test_the_page_narrows_shows_chips_and_survives_nonsense(organization, workflow):
    make_runs(organization, 2, workflow, state="failed", error={"code": "boom"})
    make_runs(organization, 30, workflow)
    page = page_client(organization, "member")

    text = page.get(reverse("runs"), {"error": "boom", "state": "failed"}).content.decode()
    assert text.count("ui-chip") >= 2
    assert text.count('data-state="failed"') == 2
    older = page.get(reverse("runs"), {"state": "queued"}).content.decode()
    assert "?state=queued&amp;before=" in older
    for query in (
        {"since": "x"},
        {"id": "x"},
        {"tag": "x"},
        {"min_seconds": "-1"},
        {"state": "\x00"},
    ):
        assert page.get(reverse("runs"), query).status_code == 200


def test_a_list_costs_the_same_queries_for_any_filter(
    organization, workflow, api, django_assert_max_num_queries
):
    make_runs(organization, 40, workflow, state="failed", error={"code": "boom"})
    for query in ({}, {"state": "failed"}, {"tag": "a:b*"}, {"error": "boom", "min_seconds": 1}):
        with django_assert_max_num_queries(8):
            found(api, **query)


# -- timeline


def step(run, node_id, begin, end, iteration="", **more):
    return Step.objects.create(
        organization_id=run.organization_id, run=run, node_id=node_id, iteration=iteration,
        kind="llm", status=more.pop("status", "succeeded"),
        started_at=run.started_at + timedelta(milliseconds=begin),
        ended_at=run.started_at + timedelta(milliseconds=end), **more,
    )  # fmt: skip


@pytest.fixture
def run(organization, workflow):
    at = now() - timedelta(seconds=10)
    return make_runs(organization, 1, workflow, state="running", started_at=at)[0]


def test_lanes_tell_when_each_node_was_at_work(run, api, organization):
    step(run, "start", 0, 5)
    step(run, "loop", 10, 40, "0", attempts=3)
    step(run, "loop", 40, 60, "1", status="failed")
    RunWait.objects.create(
        organization_id=organization.pk, run=run, node_id="ask", kind="human", key="k"
    )
    Event.objects.create(
        organization_id=organization.pk, run=run, seq=9, kind="node.started", node_id="late",
        at=now(),
    )  # fmt: skip
    told = api.get(f"/api/v1/runs/{run.public_id}/timeline/").json()

    lanes = {lane["node_id"]: lane for lane in told["lanes"]}
    assert list(lanes) == ["start", "loop", "ask", "late"] or set(lanes) == {
        "start", "loop", "ask", "late",
    }  # fmt: skip
    assert told["live"] is True
    assert told["span_ms"] >= 9_000
    loop = lanes["loop"]
    assert (loop["steps"], loop["busy_ms"], loop["retries"], loop["status"]) == (2, 50, 2, "failed")
    assert [(bar["start_ms"], bar["end_ms"]) for bar in loop["bars"]] == [(10, 40), (40, 60)]
    assert lanes["ask"]["status"] == "waiting"
    assert lanes["late"]["status"] == "running"
    page = page_client(organization, "member")
    text = page.get(reverse("run_timeline", args=[run.public_id])).content.decode()
    assert text.count("<rect") == 5
    assert "every 2s" in text
    assert "style=" not in text[text.index("<svg") : text.index("</svg>")]


def test_a_great_many_steps_are_drawn_together(run, django_assert_max_num_queries, organization):
    rows = [
        Step(
            organization_id=organization.pk, run=run, node_id="loop", iteration=str(n), kind="code",
            status="failed" if n == 700 else "succeeded",
            started_at=run.started_at + timedelta(milliseconds=n),
            ended_at=run.started_at + timedelta(milliseconds=n + 1),
        )
        for n in range(3000)
    ]  # fmt: skip
    Step.objects.bulk_create(rows)
    Run.objects.filter(pk=run.pk).update(step_count=3000)
    run.refresh_from_db()

    with django_assert_max_num_queries(4):
        told = timeline_of(run)

    (lane,) = told.lanes
    assert lane.steps == 3000
    assert len(lane.bars) <= MOST_BARS
    assert sum(bar.count for bar in lane.bars) == 3000
    assert [bar.status for bar in lane.bars].count("failed") == 1
    assert all(a.start < b.start for a, b in pairwise(lane.bars))


def test_few_bars_stay_as_they_are():
    bars = [Bar(n, n + 1, "succeeded") for n in range(MOST_BARS)]
    assert together(bars, 1000) is bars


# -- comparing


def test_differences_are_named_by_place():
    told = diff({"a": [1, {"b": 2}], "c": True, "d": "x"}, {"a": [1, {"b": 3}, 4], "c": 1, "e": 0})

    assert [(item.path, item.left, item.right, item.only) for item in told.items] == [
        ("a.1.b", 2, 3, ""), ("a.2", None, 4, "right"), ("c", True, 1, ""),
        ("d", "x", None, "left"),
        ("e", None, 0, "right"),
    ]  # fmt: skip
    assert diff({"a": 1}, {"a": 1}).same
    many = diff(list(range(500)), [])
    assert (len(many.items), many.more) == (MOST_DIFFERENCES, True)
    deep, other = 1, 2
    for _ in range(900):
        deep, other = [deep], [other]
    assert not diff(deep, other).same


def test_two_runs_are_compared_node_by_node(organization, workflow, api):
    at = now()
    left, right = (
        make_runs(
            organization, 1, workflow, state="succeeded", started_at=at, inputs={"what": word},
            outputs={"said": "x"},
        )[0]
        for word in ("one", "two")
    )  # fmt: skip
    step(left, "call", 0, 100, outputs={"text": "a"}, cost=5)
    step(right, "call", 0, 300, outputs={"text": "b"}, cost=7)
    step(right, "more", 300, 310)
    url = f"/api/v1/runs/{left.public_id}/compare/"

    told = api.get(url, {"other": str(right.public_id)}).json()

    assert told["same_version"] is True
    assert told["inputs"]["differences"] == [
        {"path": "what", "left": "one", "right": "two", "only": ""}
    ]
    assert told["outputs"]["same"] is True
    call, more = told["nodes"]
    assert (call["left"]["duration_ms"], call["right"]["cost"], call["same"]) == (100, 7, False)
    assert more["left"] is None
    page = page_client(organization, "member")
    address = reverse("run_compare", args=[left.public_id])
    assert page.get(address).status_code == 200
    shown = page.get(address, {"other": str(right.public_id)}).content.decode()
    assert "absent" in shown
    (foreign,) = make_runs(OrganizationFactory(), 1)
    assert api.get(url, {"other": str(foreign.public_id)}).status_code == 404
    assert page.get(address, {"other": str(foreign.public_id)}).status_code == 404


# -- statistics


def ended(organization, workflow, count, state="succeeded", ago=timedelta(0), seconds=1):
    at = now() - ago
    return make_runs(
        organization, count, workflow, state=state, epoch=1, started_at=at,
        ended_at=at + timedelta(seconds=seconds),
        error={"code": "boom"} if state == "failed" else None,
    )  # fmt: skip


def test_statistics_tell_counts_speed_errors_and_trend(organization, workflow, api):
    for each in ended(organization, workflow, 8, seconds=2):
        step_of = {"run": each, "organization_id": organization.pk, "kind": "llm", "cost": 10}
        Step.objects.create(
            **step_of, node_id="call", status="succeeded", started_at=each.started_at,
            ended_at=each.ended_at,
        )  # fmt: skip
    ended(organization, workflow, 2, "failed", seconds=60)
    ended(organization, workflow, 3, "cancelled")
    ended(organization, workflow, 4, ago=timedelta(days=20))
    count_ended()

    told = api.get("/api/v1/runs/statistics/", {"period": "24h"}).json()
    month = api.get("/api/v1/runs/statistics/", {"period": "30d", "workflow": workflow.pk}).json()

    whole = told["whole"]
    assert (whole["total"], whole["succeeded"], whole["failed"]) == (13, 8, 2)
    assert whole["success_rate"] == 0.8
    assert whole["cost"] == 80
    assert abs(whole["p50_ms"] - 2000) <= 100
    assert abs(whole["p95_ms"] - 60_000) <= 3000
    assert told["errors"] == [{"code": "boom", "count": 2}]
    assert len(told["trend"]) == 24
    assert sum(point["total"] for point in told["trend"]) == 13
    assert told["workflows"][0]["name"] == workflow.name
    assert told["nodes"] == []
    assert month["whole"]["total"] == 17
    assert [node["node_id"] for node in month["nodes"]] == ["call"]
    assert len(month["trend"]) == 30
    page = page_client(organization, "member")
    for query in ({}, {"period": "90d"}, {"workflow": workflow.pk}, {"period": "x"}):
        assert page.get(reverse("run_statistics"), query).status_code == 200
    assert page.get("/").status_code == 200


def test_statistics_show_what_the_reader_may_see(organization, workflow, api):
    hidden = published(approval_flow(), organization)
    project = Project.objects.create(organization=organization, name="secret", restricted=True)
    hidden.project = project
    hidden.save()
    ended(organization, workflow, 2)
    ended(organization, hidden, 5)
    count_ended()

    def total(client, **query):
        answer = client.get("/api/v1/runs/statistics/", query)
        return answer.json().get("whole", {}).get("total", answer.status_code)

    assert total(client_of(organization, "owner")) == 7
    assert total(api) == 2
    assert total(api, workflow=str(hidden.pk)) == 404
    assert total(client_of(organization, "guest")) == 0
    assert total(client_of(OrganizationFactory(), "owner")) == 0


def test_statistics_cost_the_same_queries_at_any_number_of_runs(
    organization, workflow, django_assert_max_num_queries
):
    page = page_client(organization, "owner")
    ended(organization, workflow, 300)
    count_ended()

    with django_assert_max_num_queries(20):
        page.get(reverse("run_statistics"), {"workflow": workflow.pk})
