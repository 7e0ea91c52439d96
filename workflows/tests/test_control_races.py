"""Commands at the same moment as a worker's commit, a decision or each other."""

import asyncio
import threading

import pytest
from django.db import connection, connections
from django.utils.timezone import now

from bpm.actions import decide_task
from bpm.models import HumanTask
from core.database import is_postgres
from core.errors import DomainError
from core.ids import uuid7
from llm.tests.factories import model_at
from llm.tests.upstreams import provider
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import (
    cancel_run,
    pause_run,
    reset_run,
    resume_run,
    retry_run,
    start_run,
    terminate_run,
)
from workflows.errors import RunStateConflict
from workflows.models import Event, Run, RunWait, Signal, Step
from workflows.runner import Change, RunState
from workflows.runner import Event as Said
from workflows.runner import Step as Done
from workflows.runtime.store import open_store
from workflows.runtime.store.base import Commit
from workflows.tests.engines import engine, gapless, until, wait_for
from workflows.tests.factories import approval_flow, chain_of_calls, make_runs, published
from workflows.tests.test_control_redo import settle

pytestmark = pytest.mark.django_db(transaction=True)
TURNS = 6


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization)


def at_once(*works):
    """Let all begin together; returns what each came to, a refusal as the exception itself."""
    barrier, results = threading.Barrier(len(works)), [None] * len(works)

    def one(number, work):
        try:
            barrier.wait(10)
            results[number] = work()
        except DomainError as refused:
            results[number] = refused
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return results


class Hand:
    """A worker's hand: what it claimed, and commits under the epoch it claimed it with."""

    def __init__(self):
        self.claimed = self._do(lambda store: store.claim(uuid7(), 1))[0]

    def commit(self, **change):
        run = self.claimed
        commit = Commit(run.pk, run.epoch, run.wakes, Change(**change), now())
        return self._do(lambda store: store.commit([commit]))[0]

    def _do(self, work):
        async def go():
            store = open_store()
            await store.open()
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(go())


def step(node_id="start", kind="start"):
    return Done(node_id, kind, now(), now())


def succeeded(hand):
    said = Said("run.succeeded", data={"state": "succeeded"})
    return hand.commit(events=(said,), state=RunState.SUCCEEDED, outputs={"a": 1})


@pytest.mark.parametrize("turn", range(TURNS))
def test_of_the_end_and_a_terminating_one_wins_whole(organization, actor, turn):
    (run,) = make_runs(organization, 1)
    hand = Hand()

    done, answer = at_once(
        lambda: succeeded(hand), lambda: terminate_run(actor=actor, run_id=run.public_id)
    )

    run.refresh_from_db()
    assert gapless(run)
    if done.ok:
        assert run.state == "succeeded"
        assert isinstance(answer, RunStateConflict)
    else:
        assert run.state == "terminated"
        assert run.outputs is None


@pytest.mark.parametrize("turn", range(TURNS))
def test_of_the_end_and_a_cancelling_the_end_is_never_undone(organization, actor, turn):
    (run,) = make_runs(organization, 1)
    hand = Hand()

    done, answer = at_once(
        lambda: succeeded(hand), lambda: cancel_run(actor=actor, run_id=run.public_id)
    )

    run.refresh_from_db()
    assert done.ok
    assert run.state == "succeeded"
    assert gapless(run)
    asked = Event.objects.filter(run=run, kind="run.cancelling").exists()
    assert asked != isinstance(answer, RunStateConflict)


@pytest.mark.parametrize("turn", range(TURNS))
def test_of_a_pause_and_a_resume_the_last_word_holds(organization, actor, turn):
    (run,) = make_runs(organization, 1)
    hand = Hand()
    pause_run(actor=actor, run_id=run.public_id)

    done, _ = at_once(
        lambda: hand.commit(events=(Said("run.paused"),), state=RunState.PAUSED),
        lambda: resume_run(actor=actor, run_id=run.public_id),
    )

    run.refresh_from_db()
    assert done.ok
    assert (run.state, run.control) == ("queued", "")
    assert gapless(run)


@pytest.mark.parametrize("turn", range(TURNS))
def test_two_retries_at_once_are_one(organization, actor, turn):
    workflow = published(chain_of_calls(2), organization)
    (run,) = make_runs(organization, 1, workflow, state="failed")
    settle(run, "start")
    settle(run, "call1", status="failed")
    again = lambda: retry_run(actor=actor, run_id=run.public_id)  # noqa: E731

    results = at_once(again, again)

    run.refresh_from_db()
    assert sum(isinstance(each, RunStateConflict) for each in results) == 1
    assert (run.state, run.epoch, run.seq) == ("queued", 1, 3)
    assert gapless(run)


@pytest.mark.parametrize("turn", range(TURNS))
def test_a_commit_that_comes_after_a_reset_is_refused(organization, actor, turn):
    (run,) = make_runs(organization, 1, published(chain_of_calls(2), organization))
    hand = Hand()
    hand.commit(steps=(step(),), events=(Said("node.succeeded", "start"),))

    done, _ = at_once(
        lambda: hand.commit(
            steps=(step("call1", "llm"),), events=(Said("node.succeeded", "call1"),)
        ),
        lambda: reset_run(actor=actor, run_id=run.public_id, to=1),
    )

    run.refresh_from_db()
    assert list(Step.objects.filter(run=run).values_list("node_id", flat=True)) == ["start"]
    assert (run.state, run.generation, run.step_count) == ("queued", 1, 1)
    assert gapless(run)
    assert not hand.commit(steps=(step("call2", "llm"),)).ok
    assert run.seq == (3 if done.ok else 2)


def test_a_run_terminated_while_a_model_works_is_not_charged_twice_nor_changed(organization, actor):
    with provider() as upstream:
        model_at(upstream.url, organization=organization)
        workflow = published(chain_of_calls(2), organization)
        definition = workflow.published.definition
        definition["nodes"][1]["data"]["prompt_template"][0]["text"] = "slow"
        workflow.published.save()
        with engine() as worker:
            run = start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "x"})
            worker.ring()
            until(lambda: upstream.requests)
            terminate_run(actor=actor, run_id=run.public_id, reason="now")
            before = Run.objects.filter(pk=run.pk).values().get()
            other = start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "x"})
            worker.ring()
            wait_for(other)

    assert Run.objects.filter(pk=run.pk).values().get() == before
    assert before["state"] == "terminated"
    run.refresh_from_db()
    assert gapless(run)


@pytest.mark.parametrize("turn", range(3))
def test_a_decision_and_a_cancelling_do_not_wait_for_one_another(organization, actor, turn):
    if not is_postgres():
        assert connection.vendor == "sqlite"  # one writer: there is nothing to interleave
    workflow = published(approval_flow(), organization)
    with engine() as worker:
        run = start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "x"})
        worker.ring()
        wait_for(run, "waiting")
    task = HumanTask.objects.get()
    approver = actor_in(organization, "approver")

    decided, cancelled = at_once(
        lambda: decide_task(actor=approver, task_id=task.pk, action_id="approve", data={}),
        lambda: cancel_run(actor=actor, run_id=run.public_id),
    )

    run.refresh_from_db()
    assert not isinstance(cancelled, DomainError)
    assert run.state == "cancelled"
    assert not RunWait.objects.exists()
    assert not Signal.objects.exists()
    task.refresh_from_db()
    assert task.status == ("cancelled" if isinstance(decided, DomainError) else "decided")


def test_many_commands_at_once_leave_a_history_without_gaps(organization, actor):
    (run,) = make_runs(organization, 1)
    pause = lambda: pause_run(actor=actor, run_id=run.public_id)  # noqa: E731
    resume = lambda: resume_run(actor=actor, run_id=run.public_id)  # noqa: E731

    at_once(*[pause, resume] * 4)

    run.refresh_from_db()
    assert run.state in {"paused", "queued"}
    assert gapless(run)
