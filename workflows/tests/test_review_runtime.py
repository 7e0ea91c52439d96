"""What engines, databases and people may do to each other at the worst moment."""

import asyncio
import time
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils.timezone import now

from bpm.actions import decide_task
from bpm.models import HumanTask
from core.ids import uuid7
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import cancel_run, start_run, terminate_run
from workflows.engine.records import Step
from workflows.errors import RunFinished
from workflows.models import Event, Run, RunWait, Signal, WorkerProcess
from workflows.nodes.services import NodeTaskRequest
from workflows.runner import Change, RunState, RunTask
from workflows.runtime.services import RunServices
from workflows.runtime.store import open_store
from workflows.runtime.store.base import Commit
from workflows.runtime.sweep import close_ended, sweep
from workflows.tests.engines import engine, until, wait_for
from workflows.tests.factories import approval_flow, ask, chain_of_calls, end, flow, published
from workflows.tests.factories import start as start_node

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization():
    return OrganizationFactory()


def started(organization, definition=None):
    workflow = published(definition or approval_flow(), organization)
    actor = actor_in(organization, "builder")
    return start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "the invoice"})


async def claimed(run, owner=None):
    store = open_store()
    await store.open()
    (mine,) = await store.claim(owner or uuid7(), 1)
    await store.close()
    assert mine.pk == run.pk
    return mine


def question(run, mine, node_id="ask"):
    given = RunTask(
        run_id=str(run.public_id),
        organization_id=str(run.organization_id),
        trace_id=run.trace_id,
        definition={},
        actor=mine,
    )
    return NodeTaskRequest(
        given, node_id, "", f"run:{run.public_id}:{node_id}:", "Ask", "?", [], [], [], None
    )


def test_a_zombie_asks_nobody_for_a_run_that_was_terminated(organization):
    run = started(organization)
    mine = asyncio.run(claimed(run))
    terminate_run(actor=actor_in(organization), run_id=run.public_id)

    with pytest.raises(RunFinished):
        asyncio.run(RunServices().open_human_task(question(run, mine)))

    assert not HumanTask.objects.exists()


def test_a_cancel_takes_back_a_question_whose_wait_was_never_stored(organization):
    run = started(organization)
    mine = asyncio.run(claimed(run))
    asyncio.run(RunServices().open_human_task(question(run, mine)))  # and then its worker dies

    cancel_run(actor=actor_in(organization), run_id=run.public_id)

    assert HumanTask.objects.get().status == HumanTask.Status.CANCELLED


def test_a_failing_branch_takes_the_question_of_the_other_back(organization):
    broken = ask("broken", candidates=["role:nobody"])
    definition = flow(
        [start_node(("what", "text-input")), ask("ask"), broken, end()],
        [("start", "ask"), ("start", "broken"), ("ask", "end", "approve")],
    )
    run = started(organization, definition)

    with engine():
        wait_for(run)
        until(lambda: not HumanTask.objects.filter(closed_at=None).exists())

    assert run.state == Run.State.FAILED


def test_what_an_ended_run_left_behind_is_cleared_away(organization):
    run = started(organization)
    with engine():
        wait_for(run, "waiting")
    Run.objects.filter(pk=run.pk).update(state=Run.State.FAILED)  # the worker died right after
    Signal.objects.create(
        organization_id=run.organization_id, run=run, node_id="ask", delivery_id="late"
    )

    close_ended()

    assert HumanTask.objects.get().status == HumanTask.Status.CANCELLED
    assert not RunWait.objects.exists()
    assert not Signal.objects.exists()


def test_an_answer_and_the_end_of_its_time_cannot_both_count(organization):
    run = started(organization)
    with engine():
        wait_for(run, "waiting")
    key = RunWait.objects.get().key
    decide_task(
        actor=actor_in(organization, "approver"),
        task_id=HumanTask.objects.get().pk,
        action_id="approve",
        data={},
    )

    assert asyncio.run(RunServices().close_human_task(key)) is False

    with engine():
        wait_for(run)
    assert run.outputs["by"] == "approve"


def test_a_question_whose_time_is_up_is_withdrawn(organization):
    run = started(organization)
    with engine():
        wait_for(run, "waiting")

    assert asyncio.run(RunServices().close_human_task(RunWait.objects.get().key)) is True
    assert HumanTask.objects.get().status == HumanTask.Status.CANCELLED


def test_a_run_survives_a_database_that_is_away_for_a_while(organization):
    with engine(lease=3.0) as worker:
        commit, away = worker._committer._flush, [True]

        async def flaky(commits):
            if away[0]:
                raise OperationalError("the database system is shutting down")
            return await commit(commits)

        worker._committer._flush = flaky
        run = started(organization)
        worker.ring()
        until(lambda: Run.objects.get(pk=run.pk).crashes)
        away[0] = False
        wait_for(run, "waiting")

    assert run.error is None
    assert not Event.objects.filter(run=run, kind="run.failed").exists()


def test_a_claim_whose_answer_was_lost_is_handed_back(organization):
    with engine(lease=1.0) as worker:
        run = Run.objects.get(pk=started(organization).pk)
        until(lambda: Run.objects.get(pk=run.pk).state == "waiting")
        epoch = Run.objects.get(pk=run.pk).epoch
        Run.objects.filter(pk=run.pk).update(state="running", owner=worker.owner)
        until(lambda: Run.objects.get(pk=run.pk).epoch > epoch)
        wait_for(run, "waiting")


def test_the_lease_is_kept_while_every_shared_thread_is_blocked():
    with engine(lease=1.0) as worker:
        loop = worker._loop
        for _ in range(40):
            loop.call_soon_threadsafe(loop.run_in_executor, None, time.sleep, 0.5)
        ends = time.monotonic() + 2.5
        while time.monotonic() < ends:
            assert WorkerProcess.objects.get(pk=worker.owner).alive_until > now()
            time.sleep(0.1)


def test_steps_are_read_back_in_the_order_they_were_written(organization):
    run = started(organization, chain_of_calls(3))
    keys = ["start", "call1", "call2", "call3", "end"]

    async def write_and_read():
        store = open_store()
        await store.open()
        (mine,) = await store.claim(uuid7(), 1)
        at = now()
        steps = tuple(Step(key, "llm", at, at) for key in keys)
        change = Change(steps=steps, state=RunState.WAITING)
        await store.commit([Commit(run.pk, mine.epoch, mine.wakes, change, at)])
        await asyncio.to_thread(Run.objects.filter(pk=run.pk).update, state="queued", owner=None)
        (again,) = await store.claim(uuid7(), 1)
        await store.close()
        return again

    assert [step.node_id for step in asyncio.run(write_and_read()).steps] == keys


def test_due_and_answered_runs_are_woken_without_a_look_at_the_finished(organization):
    run = started(organization)
    with engine():
        wait_for(run, "waiting")
    RunWait.objects.update(wake_at=now() - timedelta(seconds=1))

    assert sweep()

    run.refresh_from_db()
    assert (run.state, run.wakes) == (Run.State.QUEUED, 1)
