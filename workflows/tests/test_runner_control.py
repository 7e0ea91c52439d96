"""Word from outside while a run is at work: pause, cancel with clean-up, skip, signals, retries."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from workflows.flowtests import MemoryJournal
from workflows.nodes.base import NodeFailed
from workflows.runner import Limits, Outside, RunState, Signal, Wait, advance
from workflows.tests.flows import (
    TWO_MODELS,
    World,
    chain,
    end,
    flow,
    kinds,
    llm,
    node,
    run,
    settled,
    start,
    task,
)


def waits_of(journal):
    held = {}
    for change in journal.changes:
        for place in change.resolved:
            held.pop(place, None)
        held |= {(wait.node_id, wait.iteration): wait for wait in change.waits}
    return tuple(held.values())


async def go_on(definition, before, world=None, **rest):
    journal = MemoryJournal()
    given = task(definition, steps=tuple(before.steps), waits=waits_of(before), **rest)
    state = await advance(given, journal, world or World())
    return state, journal, journal.changes[-1]


# -- pause


async def test_a_pause_lets_what_works_finish_and_starts_nothing_more():
    outside = Outside()

    async def pause(call):
        outside.tell("pause", 0)
        await asyncio.sleep(0.01)

    world = World(gate=pause)

    state, journal, last = await run(TWO_MODELS, world, outside=outside)

    assert (state, last.state, kinds(last)[-1]) == (RunState.PAUSED, RunState.PAUSED, "run.paused")
    assert settled(journal) == ["start", "t", "m"]
    assert [call.node_id for call in world.calls] == ["m"]

    state, journal, last = await go_on(TWO_MODELS, journal)

    assert (state, settled(journal)) == (RunState.SUCCEEDED, ["n", "end"])


async def test_a_pause_that_is_taken_back_in_time_changes_nothing():
    outside = Outside()

    async def waver(call):
        outside.tell("pause", 0)
        await asyncio.sleep(0.02)
        outside.tell("", 0)
        await asyncio.sleep(0.02)

    state, _, last = await run(TWO_MODELS, World(gate=waver), outside=outside)

    assert (state, last.state) == (RunState.SUCCEEDED, RunState.SUCCEEDED)


async def test_a_run_that_is_paused_before_it_begins_does_nothing():
    world = World()

    state, journal, _ = await run(TWO_MODELS, world, outside=Outside("pause"))

    assert (state, journal.steps, world.calls) == (RunState.PAUSED, [], [])


# -- cancel


CLEANING = flow(
    start(),
    llm("m", "work"),
    end(o="m.text"),
    node("undo", "on-cancel"),
    llm("u", "undo"),
    edges=["start -> m", "m -> end", "undo -> u"],
)


async def test_a_cancelled_run_goes_through_its_clean_up_branch():
    outside = Outside()

    async def cancel(call):
        if call.node_id == "m":
            outside.tell("cancel", 0)
            await asyncio.sleep(60)

    world = World(gate=cancel)

    state, journal, last = await asyncio.wait_for(run(CLEANING, world, outside=outside), 5)

    assert (state, last.state) == (RunState.CANCELLED, RunState.CANCELLED)
    assert settled(journal) == ["start", "undo", "u"]


async def test_without_a_cancellation_the_clean_up_branch_never_runs():
    state, journal, _ = await run(CLEANING)

    assert (state, settled(journal)) == (RunState.SUCCEEDED, ["start", "m", "end"])


async def test_a_clean_up_that_fails_is_told_and_the_run_is_cancelled_all_the_same():
    world = World(fail={"u": [NodeFailed("no way back", code="broken")]})

    state, _, last = await run(CLEANING, world, outside=Outside("cancel"))

    assert (state, last.error["code"], last.error["cleanup"]) == (
        RunState.CANCELLED,
        "cancelled",
        "no way back",
    )


async def test_a_clean_up_does_not_wait_long_between_attempts():
    definition = flow(
        start(), llm("m", "work"), node("undo", "on-cancel"),
        llm("u", "undo", loomwork={"retry": {"max_retries": 1, "initial_seconds": 600}}),
        edges=["start -> m", "undo -> u"],
    )  # fmt: skip
    world = World(fail={"u": [NodeFailed("busy", code="busy")]})

    state, journal, _ = await run(definition, world, outside=Outside("cancel"))

    assert (state, journal.steps[-1].attempts) == (RunState.CANCELLED, 2)


async def test_a_clean_up_is_taken_up_after_a_crash():
    _, journal, _ = await run(CLEANING, World(), outside=Outside("cancel"))
    steps = tuple(step for step in journal.steps if step.node_id != "u")
    world, after = World(), MemoryJournal()

    state = await advance(task(CLEANING, steps=steps), after, world, outside=Outside("cancel"))

    assert (state, settled(after)) == (RunState.CANCELLED, ["u"])
    assert [call.node_id for call in world.calls] == ["u"]


# -- skip


def skip(node_id, iteration="", **outputs):
    payload = {"__command": "skip", "outputs": outputs, "handle": "source"}
    return Signal(node_id, iteration, payload, id=1)


async def test_a_node_that_is_skipped_has_the_outputs_it_was_given():
    world, journal = World(), MemoryJournal()
    given = task(TWO_MODELS, signals=(skip("m", text="by hand"),))

    state = await advance(given, journal, world)

    (step,) = [step for step in journal.steps if step.node_id == "m"]
    assert (state, step.status, step.attempts) == (RunState.SUCCEEDED, "skipped", 0)
    assert [call.messages[-1]["content"] for call in world.calls] == ["then by hand"]
    assert ("m", "") in {place for change in journal.changes for place in change.resolved}


async def test_a_node_that_waits_can_be_skipped():
    definition = chain(start(), node("w", "wait", until=[{"type": "signal", "name": "go"}]), end())
    state, journal, _ = await run(definition)
    assert state == RunState.WAITING

    state, journal, _ = await go_on(definition, journal, signals=(skip("w", signal=None),))

    assert (state, settled(journal)) == (RunState.SUCCEEDED, ["w", "end"])


# -- waits for times and signals


def waiting(*until, **data):
    return flow(
        start(),
        node("w", "wait", until=list(until), **data),
        end(got="w.signal", late="w.timed_out"),
        edges=["start -> w", "w -> end", "w:__timeout -> end"],
    )


def signal(name, payload=None, number=1):
    return Signal("", "", payload or {}, name, number)


PAID = {"type": "signal", "name": "paid"}


async def test_a_signal_ends_a_wait_and_is_used_up():
    definition = waiting(PAID)
    state, journal, last = await run(definition)
    assert (state, [wait.kind for wait in last.waits]) == (RunState.WAITING, ["signal"])

    state, after, last = await go_on(
        definition, journal, signals=(signal("paid", {"by": "card"}, 7), signal("other", {}, 8))
    )

    assert (state, last.outputs) == (RunState.SUCCEEDED, {"got": {"by": "card"}, "late": False})
    assert [change.consumed for change in after.changes if change.consumed] == [(7,)]


async def test_a_signal_that_came_before_the_wait_counts():
    state, _, last = await run(waiting(PAID), signals=(signal("paid", {"by": "cash"}),))

    assert (state, last.outputs["got"]) == (RunState.SUCCEEDED, {"by": "cash"})


async def test_a_short_wait_is_spent_awake_and_a_long_one_asleep():
    state, _, _ = await run(waiting({"type": "time", "seconds": 0.05}))
    assert state == RunState.SUCCEEDED

    state, _, last = await run(waiting({"type": "time", "seconds": 3600}))

    assert (state, last.waits[0].kind) == (RunState.WAITING, "timer")
    assert last.waits[0].wake_at > datetime.now(UTC) + timedelta(minutes=59)


async def test_a_wait_for_all_goes_on_until_the_last_came():
    definition = waiting(PAID, {"type": "signal", "name": "sent"}, mode="all")
    _, journal, _ = await run(definition)

    state, journal, last = await go_on(definition, journal, signals=(signal("sent", {"n": 1}),))
    (wait,) = last.waits
    assert (state, wait.data["signals"]) == (RunState.WAITING, ["paid"])
    assert last.consumed == (1,)

    before = MemoryJournal()
    before.steps, before.changes = [], [last]
    _, first, _ = await run(definition)
    before.steps = first.steps
    state, _, last = await go_on(definition, before, signals=(signal("paid", {}, 2),))

    assert state == RunState.SUCCEEDED


async def test_a_wait_that_takes_too_long_leaves_by_its_other_exit():
    state, _, last = await run(waiting(PAID, timeout_seconds=0.05))

    assert (state, last.outputs) == (RunState.SUCCEEDED, {"got": None, "late": True})


@pytest.mark.parametrize("until", [[], [{"type": "signal"}], [{"type": "time", "at": "soon"}]])
async def test_a_wait_for_nothing_is_refused(until):
    state, _, last = await run(waiting(*until))

    assert (state, last.error["code"]) == (RunState.FAILED, "invalid_wait")


async def test_an_answer_reaches_a_run_whose_other_branch_is_still_at_work():
    """Without the run having to lie down first."""
    gate, world = asyncio.Event(), World()
    outside = Outside()

    async def fetch():
        return (signal("paid", {"by": "card"}),)

    outside.fetch = fetch

    async def hang(call):
        outside.tell("", 1)
        await asyncio.wait_for(gate.wait(), 5)

    world.gate = hang

    class Opening(MemoryJournal):
        async def commit(self, change):
            if any(step.node_id == "w" for step in change.steps):
                gate.set()
            return await super().commit(change)

    definition = flow(
        start(), node("w", "wait", until=[PAID]), llm("m", "x"), llm("n", "y"), end(o="n.text"),
        edges=["start -> w", "w -> n", "start -> m", "n -> end"],
    )  # fmt: skip

    state, _, _ = await run(definition, world, Opening(), outside=outside)

    assert state == RunState.SUCCEEDED


# -- retries and limits of time


def failing(times, code="busy"):
    return {"m": [NodeFailed("busy", code=code) for _ in range(times)]}


def retrying(**retry):
    return chain(start(), llm("m", "x", loomwork={"retry": retry}), end(o="m.text"))


async def test_a_long_pause_between_attempts_is_slept_in_the_store():
    definition = retrying(max_retries=3, initial_seconds=600, factor=3)
    state, journal, last = await run(definition, World(fail=failing(1)))

    (wait,) = last.waits
    assert (state, wait.kind, wait.data["attempt"]) == (RunState.WAITING, "retry", 2)

    past = datetime.now(UTC) - timedelta(seconds=1)
    due = Wait("m", "", "retry", "", past, wait.data, wait.created_at)
    world, after = World(fail=failing(1)), MemoryJournal()
    given = task(definition, steps=tuple(journal.steps), waits=(due,))
    state = await advance(given, after, world)

    (again,) = after.changes[-1].waits
    assert (state, again.data["attempt"]) == (RunState.WAITING, 3)
    assert timedelta(minutes=29) < again.wake_at - datetime.now(UTC) <= timedelta(minutes=30)


async def test_a_step_tells_how_many_attempts_it_took_and_since_when():
    _, journal, _ = await run(retrying(max_retries=2, initial_seconds=0.1), World(fail=failing(2)))

    (step,) = [step for step in journal.steps if step.node_id == "m"]
    assert step.attempts == 3
    assert step.ended_at - step.started_at > timedelta(seconds=0.25)


async def test_codes_that_are_final_are_not_tried_again():
    definition = retrying(max_retries=5, initial_seconds=0, final_codes=["refused"])

    state, journal, _ = await run(definition, World(fail=failing(1, "refused")))

    assert (state, journal.steps[-1].attempts) == (RunState.FAILED, 1)


async def test_a_node_has_its_own_limit_of_time():
    async def hang(call):
        await asyncio.sleep(60)

    definition = chain(start(), llm("m", "x", loomwork={"timeout_seconds": 0.05}), end())

    state, _, last = await asyncio.wait_for(run(definition, World(gate=hang)), 5)

    assert (state, last.error["code"]) == (RunState.FAILED, "node_timeout")


async def test_a_run_ends_at_its_deadline():
    async def hang(call):
        await asyncio.sleep(60)

    deadline = datetime.now(UTC) + timedelta(seconds=0.05)

    state, _, last = await asyncio.wait_for(run(TWO_MODELS, World(gate=hang), deadline=deadline), 5)

    assert (state, last.error["code"]) == (RunState.TIMED_OUT, "run_timeout")


async def test_an_effect_waits_for_its_turn():
    world = World()
    world.turns = [0.05]
    state, _, _ = await run(TWO_MODELS, world)
    assert state == RunState.SUCCEEDED

    world.turns = [0, 60]
    state, _, last = await run(TWO_MODELS, world)

    assert (state, last.waits[0].kind, last.waits[0].node_id) == (RunState.WAITING, "rate", "n")


async def test_effects_of_a_run_at_a_time_have_a_limit():
    now = most = 0

    async def count(call):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    models = [llm(f"m{n}", "x") for n in range(8)]
    first = start()
    definition = flow(first, *models, edges=[f"start -> m{n}" for n in range(8)])

    state, _, _ = await run(definition, World(gate=count), limits=Limits(parallel=3))

    assert (state, most) == (RunState.SUCCEEDED, 3)

    now, most = 0, 0
    first["data"]["loomwork"] = {"max_parallel": 2}
    state, _, _ = await run(definition, World(gate=count))

    assert (state, most) == (RunState.SUCCEEDED, 2)


# -- other workflows


def calling(**data):
    return chain(
        start(),
        node("c", "sub-workflow", workflow="w1", inputs={"q": "{{#sys.query#}}"}, **data),
        end(o="c.answer", r="c.run_id"),
    )


async def test_a_child_is_awaited_and_its_outputs_are_the_nodes():
    definition, world = calling(), World()
    state, journal, last = await run(definition, world, query="why")
    (asked,) = world.children
    assert (state, asked.inputs, asked.close) == (RunState.WAITING, {"q": "why"}, "cancel")
    assert [(wait.kind, wait.key) for wait in last.waits] == [("child", "child-1")]

    told = {"state": "succeeded", "outputs": {"answer": 42}, "run": "child-1"}
    state, _, last = await go_on(definition, journal, signals=(Signal("c", "", told),))

    assert (state, last.outputs) == (RunState.SUCCEEDED, {"o": 42, "r": "child-1"})


async def test_a_child_that_failed_fails_its_node_and_may_be_tried_again():
    definition = calling(retry_config={"retry_enabled": True, "max_retries": 1})
    _, journal, _ = await run(definition, World())
    told = {"state": "failed", "error": {"code": "no_credit", "message": "empty"}}
    world = World()

    state, _, _ = await go_on(definition, journal, world, signals=(Signal("c", "", told),))

    assert (state, len(world.children)) == (RunState.WAITING, 1)

    state, _, last = await go_on(calling(), journal, signals=(Signal("c", "", told),))
    assert (state, last.error["code"]) == (RunState.FAILED, "no_credit")


async def test_a_child_that_is_let_go_is_not_waited_for():
    state, _, last = await run(calling(wait=False))

    assert (state, last.outputs["r"]) == (RunState.SUCCEEDED, "child-1")
