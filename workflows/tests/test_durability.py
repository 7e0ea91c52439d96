"""What is durable stays, whoever dies: engines are killed for real here."""

import asyncio
import json
from collections import Counter

import pytest
from aiohttp import web
from django.db import OperationalError
from django.utils.timezone import now

from billing.models import Hold, LedgerEntry, UsageRecord
from billing.proof import prove_wallet
from bpm.actions import open_task
from bpm.models import HumanTask
from core.tests.servers import LocalServer
from llm.tests.factories import model_at
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import start_run, terminate_run
from workflows.models import Event, Run, Step, WorkerProcess
from workflows.runner import Change
from workflows.runner import Event as RunEvent
from workflows.runtime.store import open_store
from workflows.runtime.store.base import Commit
from workflows.tests.engines import CeleryProcess, EngineProcess, engine, until, wait_for
from workflows.tests.factories import approval_flow, chain_of_calls, published

pytestmark = pytest.mark.django_db(transaction=True)
CALLS = 4


class SlowModel:
    """An OpenAI-shaped upstream that takes its time and remembers every idempotency key."""

    def __init__(self, seconds=0.15):
        self.seconds = seconds
        self.keys = []

    async def __call__(self, request):
        self.keys.append(request.headers.get("Idempotency-Key"))
        body = await request.json()
        await asyncio.sleep(self.seconds)
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        if not body.get("stream"):
            choice = {"index": 0, "message": {"content": "done"}, "finish_reason": "stop"}
            return web.json_response({"id": "x", "choices": [choice], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        if request.transport is None or request.transport.is_closing():
            return web.Response()  # who asked was killed
        await response.prepare(request)
        delta = {"choices": [{"index": 0, "delta": {"content": "done"}}]}
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        for piece in (delta, last, {"choices": [], "usage": usage}):
            await response.write(f"data: {json.dumps(piece)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


@pytest.fixture
def upstream():
    model = SlowModel()
    with LocalServer(model) as server:
        yield model, server


def start_chain(server):
    model = model_at(server.url)
    workflow = published(chain_of_calls(CALLS), model.organization)
    actor = actor_in(model.organization, "builder")
    return start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "this"})


def assert_paid_once(run, upstream):
    run.refresh_from_db()
    assert run.outputs == {"text": "done"}
    steps = list(run.steps.values_list("node_id", flat=True))
    assert sorted(steps) == ["call1", "call2", "call3", "call4", "end", "start"]
    seqs = list(Event.objects.filter(run=run).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
    assert run.seq == len(seqs)
    assert UsageRecord.objects.filter(run_id=str(run.public_id)).count() == CALLS
    assert LedgerEntry.objects.filter(kind=LedgerEntry.Kind.CAPTURE).count() == CALLS
    assert not Hold.objects.filter(state=Hold.State.OPEN).exists()
    assert len(set(upstream.keys)) == CALLS
    assert None not in upstream.keys
    assert prove_wallet(Hold.objects.first().wallet).differences == []


@pytest.mark.parametrize("finished_calls", [0, 3])
def test_a_killed_worker_loses_nothing_and_pays_nothing_twice(upstream, finished_calls):
    model, server = upstream
    run = start_chain(server)
    first = EngineProcess()
    until(lambda: len(model.keys) > finished_calls)  # the next call is under way
    first.kill()
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING

    second = EngineProcess()
    try:
        wait_for(run, seconds=30)
    finally:
        second.kill()

    assert run.state == Run.State.SUCCEEDED
    assert run.crashes == 0  # it came on since
    assert_paid_once(run, model)


def test_an_engine_that_stops_hands_its_runs_back_at_once(upstream):
    model, server = upstream
    model.seconds = 1.0
    run = start_chain(server)
    with engine() as first:
        until(lambda: model.keys)
        first.stop(0)
    run.refresh_from_db()
    assert (run.state, run.owner) == (Run.State.QUEUED, None)

    model.seconds = 0.0
    with engine():
        wait_for(run)

    assert run.crashes == 0
    assert_paid_once(run, model)


def test_a_celery_worker_that_is_told_to_end_hands_its_runs_back_at_once(upstream):
    model, server = upstream
    model.seconds = 2.0
    run = start_chain(server)
    worker = CeleryProcess()
    until(lambda: model.keys)

    worker.terminate()

    run.refresh_from_db()
    assert (run.state, run.owner, run.crashes) == (Run.State.QUEUED, None, 0)
    assert not WorkerProcess.objects.exists()
    model.seconds = 0.0
    with engine():
        wait_for(run)
    assert_paid_once(run, model)


async def commit_twice(owner_a, owner_b, run):
    """Claim, lose the run to another engine, and try to write all the same."""
    store = open_store()
    await store.open()
    (mine,) = await store.claim(owner_a, 1)
    await asyncio.to_thread(Run.objects.filter(pk=run.pk).update, state="queued", owner=None)
    (theirs,) = await store.claim(owner_b, 1)
    change = Change(events=(RunEvent(kind="run.started"),))
    at = run.created_at
    commits = [Commit(run.pk, each.epoch, each.wakes, change, at) for each in (mine, theirs)]
    done = await store.commit(commits)
    await store.close()
    return done


def test_a_zombie_cannot_write_even_in_the_same_batch(upstream):
    _, server = upstream
    run = start_chain(server)

    zombie, owner = asyncio.run(commit_twice(run.public_id, run.version_id, run))

    assert (zombie.ok, owner.ok) == (False, True)
    assert list(Event.objects.filter(run=run).values_list("seq", "kind")) == [
        (1, "run.queued"),
        (2, "run.started"),
    ]
    assert not Step.objects.exists()


def test_a_run_that_kills_its_workers_is_parked_with_the_cause(upstream):
    _, server = upstream
    run = start_chain(server)
    Run.objects.filter(pk=run.pk).update(crashes=5)

    with engine():
        wait_for(run, Run.State.PARKED)

    assert (run.state, run.error["code"]) == (Run.State.PARKED, "run_crashed")
    assert Event.objects.filter(run=run).latest("seq").kind == "run.parked"


def history(run):
    events = Event.objects.filter(run=run).order_by("seq").values_list("seq", "kind", "node_id")
    steps = Step.objects.filter(run=run).order_by("pk")
    return list(events), list(steps.values_list("pk", "node_id", "iteration", "ended_at"))


@pytest.mark.parametrize("deaf", [False, True])
def test_a_worker_that_was_stopped_over_its_lease_writes_nothing_when_it_comes_back(upstream, deaf):
    """Also when nothing but the database tells it that its run has gone to another."""
    model, server = upstream
    run = start_chain(server)
    zombie = EngineProcess(lease=1.0, deaf=deaf)
    until(lambda: len(model.keys) > 1)  # the second call is under way
    zombie.pause()
    run.refresh_from_db()
    lost = run.owner, run.epoch
    with engine(lease=5.0) as heir:
        wait_for(run, seconds=30)
        assert (lost[0] != heir.owner, run.epoch) == (True, lost[1] + 1)
        before = history(run)

        zombie.go_on()

        if deaf:
            assert zombie.says() == "refused"
        else:
            alive = WorkerProcess.objects.filter(pk=lost[0], alive_until__gt=now())
            until(alive.exists)  # it has looked around
        until(lambda: not WorkerProcess.objects.filter(alive_until__lt=now()).exists())

    assert (run.state, run.owner) == (Run.State.SUCCEEDED, None)
    assert history(run) == before
    assert_paid_once(run, model)
    assert max(Counter(model.keys).values()) == 2  # the call that was under way, by either of them

    model.keys.clear()
    again = start_run(
        actor=actor_in(run.organization, "builder"),
        workflow_id=run.workflow_id,
        inputs={"what": "that"},
    )
    wait_for(again)  # what was a zombie is a worker like others

    zombie.kill()
    assert (again.state, len(model.keys)) == (Run.State.SUCCEEDED, CALLS)


def test_a_zombie_whose_run_was_ended_from_outside_changes_nothing_of_it(upstream):
    model, server = upstream
    run = start_chain(server)
    zombie = EngineProcess(deaf=True)
    until(lambda: model.keys)
    zombie.pause()
    terminate_run(actor=actor_in(run.organization), run_id=run.public_id)
    before = history(run)

    zombie.go_on()

    assert zombie.says() == "refused"
    run.refresh_from_db()
    zombie.kill()
    assert (run.state, run.owner, history(run)) == (Run.State.TERMINATED, None, before)
    assert len(model.keys) == 1


def test_a_question_that_meets_a_broken_connection_is_asked_again(monkeypatch):
    """What happens to the platform's own database is no failure of the node."""
    organization = OrganizationFactory()
    workflow = published(approval_flow(), organization)
    run = start_run(actor=actor_in(organization), workflow_id=workflow.pk, inputs={"what": "this"})
    asked = []

    def break_once(**question):
        asked.append(question["idempotency_key"])
        if len(asked) == 1:
            raise OperationalError("terminating connection due to administrator command")
        return open_task(**question)

    monkeypatch.setattr("workflows.runtime.services.open_task", break_once)
    with engine(lease=0.4):
        wait_for(run, Run.State.WAITING)

    assert asked == [f"run:{run.public_id}:ask:"] * 2
    assert HumanTask.objects.count() == 1
    assert not run.steps.filter(status="failed").exists()
