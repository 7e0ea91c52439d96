"""What the engine does for real with waits, rounds, other workflows and word from outside."""

import asyncio
from ipaddress import ip_network
from itertools import pairwise

import pytest
from aiohttp import web
from django.utils.timezone import now

from core.tests.servers import LocalServer
from orgs.models import Organization
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import cancel_run, pause_run, resume_run, signal_run, start_run
from workflows.models import Run, RunLog, RunWait, Signal, Step, WorkerProcess
from workflows.runtime.sweep import sweep
from workflows.tests.engines import engine, gapless, until, wait_for
from workflows.tests.factories import end, flow, node, published, start, template

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization)


def begin(actor, definition, **options):
    workflow = published(definition, organization=_organization(actor))
    return start_run(actor=actor, workflow_id=workflow.pk, inputs={}, **options)


def _organization(actor):
    return Organization.objects.get(pk=actor.organization_id)


def waiting_for(*names, mode="all"):
    until_ = [{"type": "signal", "name": name} for name in names]
    return flow(
        [start(), node("w", "wait", until=until_, mode=mode), end(got=("w", "signals"))],
        [("start", "w"), ("w", "end")],
    )


def test_signals_come_one_by_one_and_wake_the_run_each_time(actor):
    run = begin(actor, waiting_for("paid", "sent"))

    with engine() as worker:
        wait_for(run, "waiting")
        signal_run(actor=actor, run_id=run.public_id, name="sent", data={"n": 1})
        worker.ring()
        until(lambda: RunWait.objects.get(run=run).data["signals"] == ["paid"])
        wait_for(run, "waiting")
        signal_run(actor=actor, run_id=run.public_id, name="paid", data={"n": 2})
        worker.ring()
        wait_for(run)

    assert (run.state, run.outputs) == ("succeeded", {"got": {"sent": {"n": 1}, "paid": {"n": 2}}})
    assert not Signal.objects.filter(run=run).exists()
    assert not RunWait.objects.filter(run=run).exists()
    assert gapless(run)


def test_a_signal_that_came_first_is_found_when_the_run_comes_to_its_wait(actor):
    run = begin(actor, waiting_for("paid"))
    signal_run(actor=actor, run_id=run.public_id, name="paid", data={"n": 2})

    with engine():
        wait_for(run)

    assert run.outputs == {"got": {"paid": {"n": 2}}}


def test_a_timer_wakes_its_run(actor):
    times = [{"type": "time", "seconds": 2.5}]
    run = begin(
        actor,
        flow(
            [start(), node("w", "wait", until=times), end(late=("w", "timed_out"))],
            [("start", "w"), ("w", "end")],
        ),
    )

    with engine():
        wait_for(run, "waiting")
        wait_for(run)

    assert (run.state, run.outputs) == ("succeeded", {"late": False})
    assert (run.ended_at - run.started_at).total_seconds() >= 2.5
    (step,) = Step.objects.filter(run=run, node_id="w")
    assert step.duration_ms >= 2400


def child_flow(text="done"):
    return flow(
        [start(), template("t", text), end(answer=("t", "output"))],
        [("start", "t"), ("t", "end")],
    )


def parent_flow(child, **data):
    return flow(
        [
            start(),
            node("c", "sub-workflow", workflow=str(child.pk), **data),
            end(answer=("c", "answer"), run=("c", "run_id")),
        ],
        [("start", "c"), ("c", "end")],
    )


def test_another_workflow_runs_as_a_step_of_this_one(actor, organization):
    child = published(child_flow(), organization=organization)
    run = begin(actor, parent_flow(child))

    with engine():
        wait_for(run)

    born = Run.objects.get(parent=run)
    assert (run.state, run.outputs) == (
        "succeeded",
        {"answer": "done", "run": str(born.public_id)},
    )
    assert (born.state, born.trigger, born.parent_node) == ("succeeded", "parent", "c")
    assert born.trace_id == run.trace_id
    assert gapless(run)
    assert gapless(born)


def test_a_child_ends_with_its_parent_or_is_left_as_the_node_says(actor, organization):
    child = published(waiting_for("never"), organization=organization)
    kept = begin(actor, parent_flow(child, wait=True, on_parent_end="leave"))
    ended = begin(actor, parent_flow(child, wait=True))

    with engine() as worker:
        wait_for(kept, "waiting")
        wait_for(ended, "waiting")
        until(lambda: Run.objects.filter(parent__in=[kept, ended], state="waiting").count() == 2)
        for run in (kept, ended):
            cancel_run(actor=actor, run_id=run.public_id)
        worker.ring()
        until(lambda: Run.objects.get(parent=ended).state == "cancelled")

    assert Run.objects.get(parent=kept).state == "waiting"


def test_a_workflow_that_calls_itself_comes_to_an_end(actor, organization):
    workflow = published(child_flow(), organization=organization)
    version = workflow.published
    version.definition = parent_flow(workflow)
    version.save(update_fields=["definition"])
    run = start_run(actor=actor, workflow_id=workflow.pk, inputs={})

    with engine():
        wait_for(run, seconds=60)

    assert (run.state, run.error["code"]) == ("failed", "too_deep")
    assert Run.objects.count() <= 12


class Slow:
    """Answers after a while; remembers who asked."""

    def __init__(self, seconds=0.6):
        self.seconds = seconds
        self.keys = []

    async def __call__(self, request):
        self.keys.append(request.headers["Idempotency-Key"])
        await asyncio.sleep(self.seconds)
        return web.Response(text="ok")


@pytest.fixture
def slow(settings):
    settings.OUTGOING_ALLOW = [ip_network("127.0.0.0/8")]
    handler = Slow()
    with LocalServer(handler) as server:
        yield handler, server.url


def calls(url, count=3):
    keys = [f"h{n}" for n in range(count)]
    nodes = [node(key, "http-request", method="get", url=f"{url}/") for key in keys]
    row = ["start", *keys, "end"]
    return flow(
        [start(), *nodes, end(status=(keys[-1], "status_code"))],
        list(pairwise(row)),
    )


def test_a_pause_reaches_a_run_at_work_at_once_and_nothing_happens_twice(actor, slow):
    handler, url = slow
    run = begin(actor, calls(url))

    with engine(lease=40) as worker:  # the heartbeat is far away
        until(lambda: handler.keys)
        pause_run(actor=actor, run_id=run.public_id)
        wait_for(run, "paused", seconds=8)
        assert len(handler.keys) == 1
        resume_run(actor=actor, run_id=run.public_id)
        worker.ring()
        wait_for(run)

    assert (run.state, run.outputs) == ("succeeded", {"status": 200})
    assert len(handler.keys) == len(set(handler.keys)) == 3
    assert gapless(run)


def test_a_cancel_breaks_off_what_works_and_the_clean_up_branch_runs(actor, slow):
    handler, url = slow
    handler.seconds = 30
    definition = calls(url, 1)
    definition["nodes"] += [node("off", "on-cancel"), template("undo", "undone")]
    definition["edges"].append({"id": "u", "source": "off", "target": "undo"})
    run = begin(actor, definition)

    with engine(lease=40):
        until(lambda: handler.keys)
        asked = now()
        cancel_run(actor=actor, run_id=run.public_id, reason="enough")
        wait_for(run)

    assert run.state == "cancelled"
    assert (run.ended_at - asked).total_seconds() < 8
    settled = list(Step.objects.filter(run=run).order_by("pk").values_list("node_id", flat=True))
    assert settled == ["start", "off", "undo"]
    assert gapless(run)


PRINTING = """
def main(key):
    print("the key is", key)
    print("and so on")
    return {"n": 1}
"""


def test_nodes_write_lines_of_log_and_secrets_stay_out_of_them(actor, slow):
    _, url = slow
    definition = calls(f"{url}/path?token=hunter22", 1)
    definition["environment"] = [{"name": "key", "value": "hunter22", "value_type": "secret"}]
    definition["nodes"][1]["data"]["url"] = f"{url}/path?token=hunter22"
    definition["nodes"].append(
        node(
            "c",
            "code",
            code=PRINTING,
            code_language="python3",
            variables=[{"variable": "key", "value_selector": ["env", "key"]}],
            outputs={"n": {"type": "number"}},
        )
    )
    definition["edges"].append({"id": "c", "source": "start", "target": "c"})
    run = begin(actor, definition)

    with engine():
        wait_for(run)

    assert run.state == "succeeded", run.error
    lines = set(RunLog.objects.filter(run=run).values_list("node_id", "level", "message"))
    assert ("c", "info", "the key is ••••") in lines
    assert ("c", "info", "and so on") in lines
    assert ("h0", "info", f"GET {url.rpartition(':')[0]}/path answered 200, 2 bytes") in lines
    assert not any("hunter22" in message for _, _, message in lines)


def test_a_pause_between_attempts_outlives_the_worker(actor, slow):
    _, url = slow
    definition = calls(url, 1)
    definition["nodes"][1]["data"] |= {
        "url": "http://127.0.0.1:1/",
        "loomwork": {"retry": {"max_retries": 1, "initial_seconds": 600}},
    }
    run = begin(actor, definition)
    with engine():
        wait_for(run, "waiting")
    (wait,) = RunWait.objects.filter(run=run)
    assert (wait.kind, wait.data["attempt"]) == ("retry", 2)
    assert not WorkerProcess.objects.exists()

    RunWait.objects.filter(pk=wait.pk).update(wake_at=now())
    sweep()
    with engine():
        wait_for(run)

    assert run.state == "failed"
    (step,) = Step.objects.filter(run=run, node_id="h0")
    assert step.attempts == 2
    levels = list(RunLog.objects.filter(run=run).order_by("seq").values_list("level", flat=True))
    assert levels == ["warning", "error"]
    assert gapless(run)
