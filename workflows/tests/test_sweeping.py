"""What the clock brings about: delays, time-outs, lost messages of children, leases of workers."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils.timezone import now

from billing.models import Price
from core.database import alone
from core.tests.servers import LocalServer
from llm.tests.factories import model_at
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import set_run_policy, start_run
from workflows.models import ConcurrencySlot, Event, Run, RunWait, Signal, Step, WorkerProcess
from workflows.runtime import sweep as sweeping
from workflows.runtime.ending import end_run
from workflows.runtime.family import forsaken, tell_parent
from workflows.runtime.sweep import close_ended, sweep
from workflows.tests.engines import CeleryProcess, EngineProcess, engine, until, wait_for
from workflows.tests.factories import approval_flow, chain_of_calls, make_runs, published
from workflows.tests.test_durability import SlowModel

pytestmark = pytest.mark.django_db(transaction=True)
only_postgres = pytest.mark.skipif("connection.vendor != 'postgresql'")


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization, "builder")


@pytest.fixture
def workflow(organization):
    return published(approval_flow(), organization)


def ago(seconds):
    return now() - timedelta(seconds=seconds)


def begin(actor, workflow):
    return start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "x"})


# -- delays


def test_delayed_runs_are_queued_when_their_time_has_come(organization):
    (due,) = make_runs(organization, 1, state="scheduled", not_before=ago(1), seq=1)
    (later,) = make_runs(organization, 1, state="scheduled", not_before=ago(-60), seq=1)

    assert sweep() is True
    due.refresh_from_db()
    later.refresh_from_db()
    assert (due.state, due.seq, later.state) == ("queued", 2, "scheduled")
    assert Event.objects.get(run=due).kind == "run.queued"


def test_a_delayed_run_whose_key_is_taken_is_held_then(actor, workflow):
    set_run_policy(actor=actor, workflow_id=workflow.pk, max_concurrent=1, run_timeout_seconds=60)
    begin(actor, workflow)
    (due,) = make_runs(
        workflow.organization, 1, workflow, state="scheduled", not_before=ago(1),
        concurrency_key="*", seq=1,
    )  # fmt: skip
    sweep()

    due.refresh_from_db()
    assert (due.state, due.deadline_at) == ("held", None)
    assert Event.objects.get(run=due).kind == "run.held"


# -- time-outs


def test_a_deadline_comes_from_the_policy_and_counts_from_the_queue_on(actor, workflow):
    set_run_policy(actor=actor, workflow_id=workflow.pk, max_concurrent=1, run_timeout_seconds=60)
    first, second = begin(actor, workflow), begin(actor, workflow)

    first.refresh_from_db()
    assert 50 < (first.deadline_at - now()).total_seconds() <= 60
    assert second.deadline_at is None  # held: its time has not begun


@pytest.mark.parametrize("state", ["queued", "waiting", "paused", "parked"])
def test_a_run_past_its_deadline_that_rests_is_timed_out(organization, state):
    (run,) = make_runs(organization, 1, state=state, deadline_at=ago(1))
    sweep()

    run.refresh_from_db()
    assert (run.state, run.error["code"]) == ("timed-out", "run_timeout")
    assert run.ended_at is not None
    assert Event.objects.get(run=run).kind == "run.timed-out"


def test_who_has_a_run_in_hand_gets_thirty_seconds_to_end_it(organization):
    owner = WorkerProcess.objects.create(host="h", pid=1, alive_until=ago(-60))
    fresh, stuck = (
        make_runs(organization, 1, state="running", owner=owner.pk, deadline_at=ago(late))[0]
        for late in (5, 40)
    )
    sweep()

    fresh.refresh_from_db()
    stuck.refresh_from_db()
    assert (fresh.state, stuck.state) == ("running", "timed-out")
    assert stuck.epoch == 1  # its worker is fenced out


def test_a_timed_out_run_passes_its_key_on(actor, workflow):
    set_run_policy(actor=actor, workflow_id=workflow.pk, max_concurrent=1, run_timeout_seconds=60)
    first, second = begin(actor, workflow), begin(actor, workflow)
    Run.objects.filter(pk=first.pk).update(deadline_at=ago(1))
    sweep()

    second.refresh_from_db()
    assert second.state == "queued"
    assert second.deadline_at is not None
    assert ConcurrencySlot.objects.get().run_id == second.pk


# -- children


@pytest.fixture
def family(organization):
    """A parent that waits for its child at node `sub`, iteration 0, and the child."""
    (parent,) = make_runs(organization, 1, state="waiting")
    (child,) = make_runs(
        organization, 1, state="running", parent=parent, parent_node="sub", parent_iteration="0",
        parent_close="cancel",
    )  # fmt: skip
    RunWait.objects.create(
        organization_id=organization.pk, run=parent, node_id="sub", iteration="0", kind="run",
        key=str(child.public_id),
    )  # fmt: skip
    return parent, child


def ended(child, **fields):
    Run.objects.filter(pk=child.pk).update(
        **{"state": "succeeded", "ended_at": now(), "outputs": {"n": 1}, **fields}
    )


def test_a_parent_learns_once_what_became_of_its_child(family):
    parent, child = family
    assert tell_parent(child.pk) is False  # not over yet
    ended(child)

    assert [tell_parent(child.pk) for _ in range(3)] == [True, False, False]
    signal = Signal.objects.get()
    assert (signal.run_id, signal.node_id, signal.iteration) == (parent.pk, "sub", "0")
    assert signal.delivery_id == f"child:{child.public_id}"
    assert signal.payload == {
        "state": "succeeded", "outputs": {"n": 1}, "error": None, "run": str(child.public_id),
    }  # fmt: skip
    parent.refresh_from_db()
    assert (parent.state, parent.wakes) == ("queued", 1)


def test_a_parent_that_is_over_gone_or_further_learns_nothing(family, organization):
    parent, child = family
    ended(child)
    Step.objects.create(
        organization_id=organization.pk, run=parent, node_id="sub", iteration="0", kind="x",
        status="succeeded", started_at=now(), ended_at=now(),
    )  # fmt: skip
    assert tell_parent(child.pk) is False
    Step.objects.all().delete()
    RunWait.objects.update(key="another run, after a reset")
    assert tell_parent(child.pk) is False
    Run.objects.filter(pk=parent.pk).update(state="failed")
    assert tell_parent(child.pk) is False
    Run.objects.filter(pk=parent.pk).delete()
    assert tell_parent(child.pk) is False
    assert not Signal.objects.exists()


def test_the_net_tells_a_parent_that_was_not_told(family):
    parent, child = family
    close_ended()
    assert not Signal.objects.exists()
    ended(child)
    close_ended()

    assert Signal.objects.get().run_id == parent.pk


def test_a_child_that_is_ended_from_outside_tells_its_parent(family):
    parent, child = family
    end_run(child, Run.State.TERMINATED)

    assert Signal.objects.get().payload["state"] == "terminated"
    parent.refresh_from_db()
    assert parent.state == "queued"


def test_children_that_outlive_their_parent_are_found(family):
    parent, child = family
    assert forsaken() == []
    Run.objects.filter(pk=parent.pk).update(state="failed", ended_at=now())
    assert forsaken() == [parent.pk]
    Run.objects.filter(pk=child.pk).update(parent_close="leave")
    assert forsaken() == []


# -- signals


def test_a_signal_that_nobody_waits_for_wakes_nobody_again_and_again(organization):
    (run,) = make_runs(organization, 1, state="waiting")
    shared = {"organization_id": organization.pk, "run": run}
    Signal.objects.create(**shared, name="go", delivery_id="1")
    Signal.objects.create(**shared, node_id="later", delivery_id="2")
    assert sweep() is False

    RunWait.objects.create(**shared, node_id="n", kind="signal", key="go")
    assert sweep() is True
    run.refresh_from_db()
    assert run.wakes == 1


# -- one sweeper, and whose clock holds


@only_postgres
def test_one_process_sweeps_at_a_time(organization):
    (run,) = make_runs(organization, 1, state="scheduled", not_before=ago(1))
    found = []

    def look():
        found.append(sweep())
        connections.close_all()

    with alone("engine:sweep") as ours:
        assert ours
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        run.refresh_from_db()
        assert (found, run.state) == ([False], "scheduled")
    assert sweep() is True


@only_postgres
@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_worker_whose_clock_is_wrong_keeps_its_runs_and_loses_them_when_it_dies(minutes):
    model = SlowModel(1.0)
    with LocalServer(model) as server:
        row = model_at(server.url)
        Price.objects.update(valid_from=ago(86_400))  # before the clock that is behind
        workflow = published(chain_of_calls(3), row.organization)
        run = begin(actor_in(row.organization, "builder"), workflow)
        worker = EngineProcess(clock=60 * minutes)
        try:
            until(lambda: len(model.keys) > 1, seconds=60)
            sweep()  # by the right clock
            run.refresh_from_db()
            assert (run.state, run.epoch, run.crashes) == ("running", 1, 0)
        finally:
            worker.kill()
    until(lambda: sweep() and Run.objects.get(pk=run.pk).state == "queued", seconds=30)
    assert connection.vendor == "postgresql"


def test_an_idle_sweep_writes_nothing(organization, django_assert_max_num_queries):
    make_runs(organization, 5, state="succeeded", ended_at=now())
    with django_assert_max_num_queries(14) as seen:
        assert sweeping.sweep() is False
    assert not [row for row in seen if row["sql"].startswith(("UPDATE", "INSERT"))]


# -- a worker that is told to go


def test_a_worker_told_to_end_finishes_what_is_short_and_hands_back_what_is_long():
    short, long = SlowModel(0.5), SlowModel(20.0)
    with LocalServer(short) as one, LocalServer(long) as other:
        runs = []
        for server in (one, other):
            row = model_at(server.url)
            workflow = published(chain_of_calls(3), row.organization)
            runs.append(begin(actor_in(row.organization, "builder"), workflow))
        worker = CeleryProcess(grace=6)
        try:
            until(lambda: short.keys and long.keys, seconds=60)
            began = time.monotonic()
        finally:
            worker.terminate()
        took = time.monotonic() - began
    for run in runs:
        run.refresh_from_db()
    assert [run.state for run in runs] == ["succeeded", "queued"]
    assert (runs[1].owner, runs[1].crashes) == (None, 0)
    assert not WorkerProcess.objects.exists()
    assert took < 20


def test_a_worker_takes_no_more_than_it_has_room_for():
    model = SlowModel(0.3)
    with LocalServer(model) as server:
        row = model_at(server.url)
        workflow = published(chain_of_calls(1), row.organization)
        actor = actor_in(row.organization, "builder")
        runs = [begin(actor, workflow) for _ in range(9)]
        most = 0
        with engine(slots=3):
            while Run.objects.filter(state__in=Run.LIVE).exists():
                most = max(most, Run.objects.filter(state="running").count())
        assert most == 3
        for run in runs:
            assert wait_for(run).state == "succeeded"
