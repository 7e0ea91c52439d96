"""Runs from their first step to their last, and what of them is durable when."""

import asyncio

import pytest

from workflows.flowtests import MemoryJournal
from workflows.nodes.base import NodeFailed
from workflows.runner import RunState, advance, graph_of
from workflows.tests.flows import (
    TWO_MODELS,
    World,
    answer,
    branch,
    chain,
    end,
    flow,
    kinds,
    llm,
    run,
    settled,
    start,
    task,
    template,
)


async def test_pure_steps_ride_with_the_next_effect_and_its_start():
    state, journal, _ = await run(TWO_MODELS)

    assert state == RunState.SUCCEEDED
    assert [[step.node_id for step in change.steps] for change in journal.changes] == [
        ["start", "t"],
        ["m"],
        ["n", "end"],
    ]
    assert kinds(journal.changes[0]) == [
        "run.started",
        "node.succeeded",
        "node.succeeded",
        "node.started",
    ]
    assert kinds(journal.changes[1]) == ["node.succeeded", "node.started"]


async def test_the_last_change_carries_state_outputs_and_event():
    _, journal, last = await run(chain(start("x"), end(o="start.x")), inputs={"x": "X"})

    assert len(journal.changes) == 1
    assert (last.state, last.outputs, last.error) == (RunState.SUCCEEDED, {"o": "X"}, None)
    assert kinds(last)[-1] == "run.succeeded"


async def test_nothing_outside_happens_before_what_led_to_it_is_durable():
    world, seen = World(), []

    class Watching(MemoryJournal):
        async def commit(self, change):
            seen.append(len(world.calls))
            await asyncio.sleep(0)
            return await super().commit(change)

    await run(TWO_MODELS, world, Watching())

    assert seen == [0, 1, 2]


async def test_a_fenced_run_stops_at_once_and_does_nothing_more():
    world = World()

    class Fenced(MemoryJournal):
        async def commit(self, change):
            await super().commit(change)
            return len(self.changes) < 2

    state, journal, _ = await run(TWO_MODELS, world, Fenced())

    assert state == RunState.RUNNING
    assert len(journal.changes) == 2
    assert [call.node_id for call in world.calls] == ["m"]


async def test_what_the_journal_raises_passes_through():
    class Broken(MemoryJournal):
        async def commit(self, change):
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await run(TWO_MODELS, journal=Broken())


@pytest.mark.parametrize("kept", range(6))
async def test_a_run_goes_on_from_any_number_of_committed_steps(kept):
    _, whole, last = await run(TWO_MODELS)
    world, journal = World(), MemoryJournal()
    before = tuple(whole.steps[:kept])

    state = await advance(task(TWO_MODELS, steps=before), journal, world)

    assert state == RunState.SUCCEEDED
    assert journal.changes[-1].outputs == last.outputs
    assert [step.node_id for step in before] + settled(journal) == settled(whole)
    paid_before = {step.node_id for step in before}
    assert [call.node_id for call in world.calls] == [k for k in ("m", "n") if k not in paid_before]
    assert kinds(journal.changes[0])[0] == ("run.resumed" if kept else "run.started")


async def test_text_that_was_heard_is_not_said_again():
    definition = chain(
        start(), llm("m", "a"), llm("n", "b"), answer("a", "{{#m.text#}}-{{#n.text#}}")
    )
    _, whole, _ = await run(definition)
    journal = MemoryJournal()

    await advance(task(definition, steps=tuple(whole.steps[:2])), journal, World())

    assert "".join(whole.pieces) == "text of m-text of n"
    assert "".join(journal.pieces) == "text of n"


async def test_branches_run_at_the_same_time():
    names = [f"m{i}" for i in range(10)]
    together, gate = [], asyncio.Event()

    async def wait(call):
        together.append(call.node_id)
        if len(together) == len(names):
            gate.set()
        await gate.wait()

    definition = flow(
        start(),
        *(llm(name, "x") for name in names),
        end(o="m3.text"),
        edges=[f"start -> {name}" for name in names] + [f"{name} -> end" for name in names],
    )
    async with asyncio.timeout(5):
        state, _, last = await run(definition, World(gate=wait))

    assert (state, last.outputs) == (RunState.SUCCEEDED, {"o": "text of m3"})


async def test_a_failure_cancels_the_other_branches_and_fails_the_run():
    cancelled = []

    async def hang(call):
        if call.node_id == "slow":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(call.node_id)
                raise

    world = World(gate=hang, fail={"bad": [NodeFailed("broken", code="upstream_error")]})
    definition = flow(
        start(), llm("slow", "x"), llm("bad", "x"), end(),
        edges=["start -> slow", "start -> bad", "slow -> end", "bad -> end"],
    )  # fmt: skip

    state, journal, last = await run(definition, world)

    assert state == RunState.FAILED
    assert last.error == {"code": "upstream_error", "message": "broken", "node_id": "bad"}
    assert last.outputs is None
    assert kinds(last)[-1] == "run.failed"
    assert cancelled == ["slow"]
    assert settled(journal) == ["start", "bad"]


async def test_what_another_branch_has_paid_for_is_recorded_when_the_run_fails():
    both = asyncio.Barrier(2)

    async def meet(call):
        await both.wait()

    world = World(gate=meet, fail={"bad": [NodeFailed("broken")]})
    definition = flow(
        start(), llm("bad", "x"), llm("good", "x"),
        edges=["start -> bad", "start -> good"],
    )  # fmt: skip

    _, journal, _ = await run(definition, world)

    assert {step.node_id: step.cost for step in journal.steps} == {"start": 0, "bad": 0, "good": 7}


async def test_ends_merge_and_answers_concatenate():
    ends = flow(
        start(), template("t", "T"), end("e1", x="t.output"), end("e2", x="start.y", y="t.output"),
        edges=["start -> t", "t -> e1", "e1 -> e2"],
    )  # fmt: skip
    answers = chain(start(), answer("a", "one "), answer("b", "two"))

    assert (await run(ends))[2].outputs == {"x": None, "y": "T"}
    assert (await run(answers))[2].outputs == {"answer": "one two", "files": []}


async def test_a_run_that_ends_nowhere_has_succeeded_with_nothing():
    definition = flow(
        start("x"), branch("if"), end(o="start.x"), edges=["start -> if", "if:yes -> end"]
    )

    state, _, last = await run(definition, inputs={"x": "no"})

    assert (state, last.outputs) == (RunState.SUCCEEDED, {})


async def test_secrets_of_the_environment_are_not_recorded():
    secret = {"name": "key", "value_type": "secret", "value": "s3cret-key"}
    definition = chain(
        start(), llm("m", "use {{#env.key#}}"), end(o="m.text"), environment=[secret]
    )
    world = World()

    _, journal, _ = await run(definition, world)

    assert world.calls[0].messages[0]["content"] == "use s3cret-key"
    assert "s3cret" not in str([step.inputs for step in journal.steps])


def test_a_definition_is_read_once():
    definition = chain(start(), end())

    assert graph_of(definition) is graph_of(definition)
    assert graph_of(chain(start(), end())) is not graph_of(definition)
    assert graph_of(graph_of(definition)) is graph_of(definition)


async def test_one_graph_serves_runs_that_know_nothing_of_each_other():
    graph = graph_of(chain(start("x"), template("t", "{{ x }}", x="start.x"), end(o="t.output")))

    results = await asyncio.gather(*(run(graph, inputs={"x": str(i)}) for i in range(20)))

    assert [last.outputs["o"] for _, _, last in results] == [str(i) for i in range(20)]
