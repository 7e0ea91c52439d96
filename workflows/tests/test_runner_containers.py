"""Iterations and loops: their rounds, their failures, and taking them up at any commit."""

import asyncio

import pytest

from workflows.flowtests import MemoryJournal
from workflows.nodes.base import NodeFailed
from workflows.runner import Limits, RunState, advance
from workflows.tests.flows import World, end, flow, llm, node, run, start, task, template


def inside(container, *nodes):
    return [found | {"parent": container} for found in nodes]


def iteration(node_id="it", over="start.xs", out="m.text", **data):
    return node(
        node_id,
        "iteration",
        iterator_selector=over.split("."),
        output_selector=out.split("."),
        start_node_id=f"{node_id}_start",
        **data,
    )


def asking_each(**data):
    """For each item of `xs` ask the model."""
    return flow(
        start(),
        iteration(**data),
        *inside("it", node("it_start", "iteration-start"), llm("m", "ask {{#it.item#}}")),
        end(o="it.output"),
        edges=["start -> it", "it_start -> m", "it -> end"],
    )


def counting(rounds=3, **data):
    """A loop that adds 2 to `n` in each round."""
    step = {
        "variable_selector": ["lp", "n"],
        "operation": "+=",
        "input_type": "constant",
        "value": 2,
    }
    return flow(
        start(),
        node(
            "lp",
            "loop",
            loop_count=rounds,
            loop_variables=[
                {"label": "n", "var_type": "number", "value_type": "constant", "value": "1"}
            ],
            start_node_id="lp_start",
            **data,
        ),
        *inside("lp", node("lp_start", "loop-start"), node("add", "assigner", items=[step])),
        end(n="lp.n", rounds="lp.loop_round"),
        edges=["start -> lp", "lp_start -> add", "lp -> end"],
    )


class Echo(World):
    """Answers with what it was asked; fails for what `bad` names."""

    def __init__(self, bad=(), delay=None):
        super().__init__()
        self.bad = set(bad)
        self.delay = delay or {}
        self.most = self.now = 0

    async def complete_model(self, call):
        asked = call.messages[-1]["content"]
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.delay.get(asked, 0))
        finally:
            self.now -= 1
        if asked in self.bad:
            self.calls.append(call)
            raise NodeFailed(f"no {asked}", code="refused")
        self.texts[call.node_id] = f"<{asked}>"
        return await super().complete_model(call)


XS = {"xs": ["a", "b", "c"]}


async def test_an_iteration_runs_once_for_each_item_in_order():
    world = Echo()

    state, journal, last = await run(asking_each(), world, inputs=XS)

    assert (state, last.outputs) == (
        RunState.SUCCEEDED,
        {"o": ["<ask a>", "<ask b>", "<ask c>"]},
    )
    assert [call.billing_ref for call in world.calls] == [f"run:r1:m:{n}" for n in range(3)]
    assert [(s.node_id, s.iteration) for s in journal.steps if s.node_id == "m"] == [
        ("m", "0"),
        ("m", "1"),
        ("m", "2"),
    ]


async def test_a_parallel_iteration_keeps_the_order_and_its_width():
    world = Echo(delay={"ask a": 0.03})
    xs = {"xs": ["a", *"bcdefgh"]}

    state, _, last = await run(asking_each(is_parallel=True, parallel_nums=3), world, inputs=xs)

    assert state == RunState.SUCCEEDED
    assert last.outputs["o"] == [f"<ask {x}>" for x in xs["xs"]]
    assert world.most == 3


@pytest.mark.parametrize(
    ("mode", "output"),
    [
        ("continue-on-error", ["<ask a>", None, "<ask c>"]),
        ("remove-abnormal-output", ["<ask a>", "<ask c>"]),
    ],
)
async def test_a_failed_item_is_null_or_left_out_as_the_iteration_says(mode, output):
    state, _, last = await run(asking_each(error_handle_mode=mode), Echo(bad=["ask b"]), inputs=XS)

    assert (state, last.outputs) == (RunState.PARTIAL, {"o": output})


async def test_a_failed_item_ends_the_iteration_and_what_else_works_in_it():
    world = Echo(bad=["ask b"], delay={"ask a": 5, "ask c": 5})

    state, _, last = await asyncio.wait_for(
        run(asking_each(is_parallel=True), world, inputs=XS), timeout=2
    )

    assert state == RunState.FAILED
    assert (last.error["code"], last.error["node_id"]) == ("refused", "it")
    assert world.now == 0


@pytest.mark.parametrize("xs", [[], None])
async def test_nothing_to_iterate_is_an_empty_result(xs):
    state, _, last = await run(asking_each(), inputs={"xs": xs})

    assert (state, last.outputs) == (RunState.SUCCEEDED, {"o": []})


async def test_what_is_no_list_is_refused():
    state, _, last = await run(asking_each(), inputs={"xs": "abc"})

    assert (state, last.error["code"]) == (RunState.FAILED, "not_a_list")


async def test_a_container_with_nothing_in_it_is_refused():
    definition = flow(start(), iteration(), end(o="it.output"), edges=["start -> it", "it -> end"])

    state, _, last = await run(definition, inputs=XS)

    assert (state, last.error["code"]) == (RunState.FAILED, "empty_container")


async def test_a_loop_carries_its_variables_from_round_to_round():
    state, journal, last = await run(counting())

    assert (state, last.outputs) == (RunState.SUCCEEDED, {"n": 7, "rounds": 3})
    assert [step.iteration for step in journal.steps if step.node_id == "add"] == ["0", "1", "2"]


async def test_a_loop_stops_when_its_condition_holds():
    enough = {"variable_selector": ["lp", "n"], "comparison_operator": "≥", "value": "5"}

    _, _, last = await run(counting(rounds=50, break_conditions=[enough]))

    assert last.outputs == {"n": 5, "rounds": 2}


async def test_a_loop_end_breaks_off():
    definition = counting(rounds=50)
    definition["nodes"].append(node("stop", "loop-end") | {"parent": "lp"})
    definition["edges"].append({"source": "add", "target": "stop", "sourceHandle": "source"})

    _, _, last = await run(definition)

    assert last.outputs == {"n": 3, "rounds": 1}


async def test_containers_stand_in_each_other():
    definition = flow(
        start(),
        iteration(over="start.xs", out="inner.output"),
        *inside(
            "it",
            node("it_start", "iteration-start"),
            iteration("inner", over="it.item", out="t.output"),
        ),
        *inside(
            "inner",
            node("inner_start", "iteration-start"),
            template("t", "{{ x }}-{{ i }}", x="inner.item", i="it.index"),
        ),
        end(o="it.output"),
        edges=["start -> it", "it_start -> inner", "inner_start -> t", "it -> end"],
    )

    state, journal, last = await run(definition, inputs={"xs": [["a", "b"], ["c"]]})

    assert (state, last.outputs) == (RunState.SUCCEEDED, {"o": ["a-0", "b-0", "c-1"]})
    assert [s.iteration for s in journal.steps if s.node_id == "t"] == ["0.0", "0.1", "1.0"]


async def test_a_thousand_items_are_no_recursion():
    definition = flow(
        start(),
        iteration(out="t.output"),
        *inside("it", node("it_start", "iteration-start"), template("t", "{{ x }}", x="it.item")),
        end(o="it.output"),
        edges=["start -> it", "it_start -> t", "it -> end"],
    )

    state, _, last = await run(definition, inputs={"xs": [str(n) for n in range(3000)]})

    assert state == RunState.SUCCEEDED
    assert len(last.outputs["o"]) == 3000


async def test_rounds_have_a_limit_of_steps():
    state, _, last = await run(asking_each(), Echo(), inputs=XS, limits=Limits(inner=3))

    assert (state, last.error["code"]) == (RunState.FAILED, "too_many_steps")


@pytest.mark.parametrize(
    ("definition", "bad"),
    [
        (asking_each(), ()),
        (asking_each(is_parallel=True, parallel_nums=2), ()),
        (asking_each(is_parallel=True, error_handle_mode="continue-on-error"), ["ask b"]),
        (asking_each(error_handle_mode="remove-abnormal-output"), ["ask a"]),
        (counting(), ()),
    ],
)
async def test_a_run_is_taken_up_after_any_commit_and_calls_nothing_twice(definition, bad):
    whole, world = MemoryJournal(), Echo(bad)
    state, _, last = await run(definition, world, whole, inputs=XS)

    for kept in range(len(whole.changes)):
        journal, again = MemoryJournal(), Echo(bad)
        steps = tuple(step for change in whole.changes[:kept] for step in change.steps)
        found = await advance(task(definition, inputs=XS, steps=steps), journal, again)

        assert (found, journal.changes[-1].outputs) == (state, last.outputs), kept
        done = {(step.node_id, step.iteration) for step in steps}
        called = [(call.node_id, call.iteration) for call in again.calls]
        assert not done & set(called)
        assert len(steps) + len(journal.steps) == len(whole.steps)
