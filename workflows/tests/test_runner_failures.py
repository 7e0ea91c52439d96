"""Failures of nodes and what flows say to do then; limits and cancelling."""

import asyncio
import time

import pytest

from core.errors import DomainError
from workflows.flowtests import MemoryJournal
from workflows.nodes.base import NodeFailed
from workflows.runner import Limits, RunState
from workflows.tests.flows import (
    TWO_MODELS,
    World,
    branch,
    chain,
    end,
    flow,
    kinds,
    llm,
    node,
    run,
    settled,
    start,
    template,
)


class Refused(DomainError):
    code = "insufficient_funds"
    status = 402


RETRY = {"retry_enabled": True, "max_retries": 2, "retry_interval": 1}


@pytest.mark.parametrize(("compat", "state"), [(True, "partial-succeeded"), (False, "succeeded")])
async def test_a_retry_that_succeeds_is_told_and_counted(compat, state):
    world = World(fail={"m": [NodeFailed("first"), NodeFailed("second")]})
    definition = chain(start(), llm("m", "x", retry_config=RETRY), end(o="m.text"), compat=compat)

    found, journal, last = await run(definition, world)

    assert (found, last.outputs) == (state, {"o": "text of m"})
    assert [step.attempts for step in journal.steps] == [1, 3, 1]
    told = [event.data for change in journal.changes for event in change.events]
    assert [data["error"] for data in told if data.get("attempt")] == ["first", "second"]
    assert {call.billing_ref for call in world.calls} == {"run:r1:m:"}


async def test_a_refusal_is_not_tried_again():
    world = World(fail={"m": [Refused("No money.", needed=5)] * 3})

    _, journal, last = await run(chain(start(), llm("m", "x", retry_config=RETRY)), world)

    assert len(world.calls) == 1
    assert last.error["code"] == journal.steps[-1].error_code == "insufficient_funds"
    assert last.error["message"] == "No money."


async def test_a_retry_pause_holds_up_no_other_branch():
    slow = {"retry_enabled": True, "max_retries": 1, "retry_interval": 400}
    finished = {}

    class Timing(MemoryJournal):
        async def commit(self, change):
            finished.update({step.node_id: time.monotonic() for step in change.steps})
            return await super().commit(change)

    definition = flow(
        start(), llm("m", "x", retry_config=slow), llm("n", "x"), llm("o", "x"),
        edges=["start -> m", "start -> n", "n -> o"],
    )  # fmt: skip

    await run(definition, World(fail={"m": [NodeFailed("once")]}), Timing())

    assert finished["m"] - finished["o"] > 0.3


async def test_a_failure_may_take_its_own_branch():
    world = World(fail={"m": [Refused("No money.")]})
    definition = flow(
        start(),
        llm("m", "x", error_strategy="fail-branch"),
        end("good", text="m.text"),
        end("bad", why="m.error_message", kind="m.error_type"),
        edges=["start -> m", "m -> good", "m:fail-branch -> bad"],
    )

    state, journal, last = await run(definition, world)

    assert state == RunState.PARTIAL
    assert last.outputs == {"why": "No money.", "kind": "Refused"}
    assert journal.steps[1].status == "exception"


async def test_a_failure_may_be_given_a_value():
    rows = [
        {"key": "text", "type": "string", "value": "D"},
        {"key": "n", "type": "number", "value": "2"},
    ]
    found = llm("m", "x", error_strategy="default-value", default_value=rows)
    world = World(fail={"m": [NodeFailed("broken")]})

    state, _, last = await run(chain(start(), found, end(o="m.text", n="m.n")), world)

    assert (state, last.outputs) == (RunState.PARTIAL, {"o": "D", "n": 2.0})


async def test_a_bug_in_a_node_fails_the_run_and_nothing_else():
    state, _, last = await run(
        chain(start(), llm("m", "x")), World(fail={"m": [ZeroDivisionError("oh")]})
    )

    assert (state, last.error["code"]) == (RunState.FAILED, "internal_error")


async def test_a_node_whose_settings_make_no_sense_fails_when_it_is_reached():
    broken = node("m", "llm", model="none", prompt_template=7)
    definition = flow(
        start("x"), branch("if"), broken, end(o="start.x"),
        edges=["start -> if", "if:yes -> m", "if:false -> end"],
    )  # fmt: skip

    reached, _, last = await run(definition, inputs={"x": "yes"})
    passed, *_ = await run(definition, inputs={"x": "no"})

    assert (reached, last.error["code"]) == (RunState.FAILED, "invalid_config")
    assert passed == RunState.SUCCEEDED


async def test_a_definition_that_is_no_graph_fails_with_all_its_faults():
    definition = flow(start(), template("a", ""), edges=["start -> a", "a -> a", "a -> gone"])

    state, journal, last = await run(definition)

    assert (state, last.error["code"]) == (RunState.FAILED, "invalid_graph")
    assert "circle" in last.error["message"]
    assert "gone" in last.error["message"]
    assert journal.steps == []


async def test_a_run_can_be_cancelled_while_it_waits_for_a_model():
    asked = []

    async def hang(call):
        asked.append(call)
        await asyncio.sleep(60)

    state, journal, last = await run(
        TWO_MODELS,
        World(gate=hang),
        control=lambda: "cancel" if asked else "",
        limits=Limits(poll=0.01),
    )

    assert state == RunState.CANCELLED
    assert (last.state, last.outputs) == (RunState.CANCELLED, None)
    assert last.error["code"] == "cancelled"
    assert kinds(last) == ["run.cancelled"]
    assert settled(journal) == ["start", "t"]


async def test_a_run_has_a_limit_of_steps():
    definition = chain(start(), *(template(f"t{i}", "x") for i in range(5)))

    state, _, last = await run(definition, limits=Limits(steps=3))

    assert (state, last.error["code"]) == (RunState.FAILED, "too_many_steps")


async def test_a_run_has_a_limit_of_time():
    async def hang(call):
        await asyncio.sleep(60)

    state, _, last = await run(TWO_MODELS, World(gate=hang), limits=Limits(seconds=0.05, poll=0.01))

    assert (state, last.error["code"]) == (RunState.TIMED_OUT, "run_timeout")


async def test_stopping_the_worker_stops_its_nodes():
    stopped = asyncio.Event()

    async def hang(call):
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    running = asyncio.create_task(run(TWO_MODELS, World(gate=hang)))
    await asyncio.sleep(0.05)
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped.is_set()
