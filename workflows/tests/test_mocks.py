"""Runs under mocks."""

import time

from workflows.mocks import Mocks
from workflows.runner import RunState
from workflows.tests.flows import (
    World,
    answer,
    chain,
    end,
    flow,
    llm,
    node,
    run,
    start,
    template,
)


def ask(node_id="ask"):
    actions = [{"id": "approve", "title": "Yes"}, {"id": "reject", "title": "No"}]
    fields = [{"type": "paragraph", "output_variable_name": "note"}]
    return node(node_id, "human-input", form_content="?", user_actions=actions, inputs=fields)


def settled(journal):
    return [step.node_id for step in journal.steps]


RETRY = {"retry_enabled": True, "max_retries": 2, "retry_interval": 1}


async def test_mocked_nodes_run_one_by_one_in_order_and_touch_nothing():
    world = World()
    definition = flow(
        start(), llm("m", "hi {{#start.x#}}"), node("h", "http-request", url="http://x"),
        node("c", "code", outputs={"a": {"type": "array[string]"}, "n": {"type": "number"}}),
        node("t", "tool", provider_id="p", tool_name="t"), ask(),
        answer("a", "{{#m.text#}} {{#h.body#}} {{#c.n#}} {{#t.text#}} {{#t.more#}} {{#ask.note#}}"),
        edges=[
            "start -> m", "start -> h", "start -> c", "start -> t", "start -> ask",
            "m -> a", "h -> a", "c -> a", "t -> a", "ask:approve -> a",
        ],
    )  # fmt: skip

    state, journal, last = await run(definition, world, mocks=Mocks(), inputs={"x": "X"})

    assert state == RunState.SUCCEEDED
    assert last.outputs["answer"] == ('<llm:m> {"mock": "h"} 1 <tool:t> <t.more> <ask.note>')
    assert settled(journal) == ["start", "m", "h", "c", "t", "ask", "a"]
    assert journal.steps[1].inputs["messages"] == [{"role": "user", "content": "hi X"}]
    assert (world.calls, world.opened) == ([], [])


async def test_mocks_can_be_told_outputs_errors_delays_and_patches():
    definition = chain(
        start(),
        node("h", "http-request", url="http://x", retry_config={**RETRY, "max_retries": 1}),
        llm("m", "x"),
        template("t", "old"),
        end(b="h.body", m="m.text", t="t.output"),
    )
    mocks = Mocks.parse(
        {
            "llm_text": "two words",
            "node_outputs": {"h": {"body": "B"}},
            "node_errors": {"h": ["once"]},
            "node_delays_s": {"m": 0.05},
            "patch_nodes": {"t": {"template": "new"}},
            "unheard_of": 1,
        }
    )
    begun = time.monotonic()

    state, journal, last = await run(definition, mocks=mocks)

    assert time.monotonic() - begun >= 0.05
    assert (state, last.outputs) == (
        RunState.PARTIAL,
        {"b": "B", "m": "two words", "t": "new"},
    )
    assert journal.steps[1].attempts == 2
    assert definition["nodes"][3]["data"]["template"] == "old"


async def test_mocked_models_stream_word_by_word_and_obey_schemas():
    schema = {
        "type": "object",
        "required": ["k", "n"],
        "properties": {"k": {"enum": ["a", "b"]}, "n": {"type": "integer"}},
    }
    found = llm("m", "x", structured_output_enabled=True, structured_output={"schema": schema})
    definition = chain(start(), found, answer("a", "{{#m.text#}}"))

    _, journal, _ = await run(definition, mocks=Mocks(llm_text="a b  c"))

    assert journal.pieces == ["a ", "b  ", "c"]
    assert journal.steps[1].outputs["structured_output"] == {"k": "a", "n": 1}


async def test_real_code_runs_only_when_asked_for():
    found = node("c", "code", code="CODE", outputs={"r": {"type": "string"}})
    definition = chain(start(), found, end(o="c.r"))
    world = World(texts={"CODE": {"r": "real"}})

    mocked = (await run(definition, world, mocks=Mocks()))[2].outputs
    real = (await run(definition, world, mocks=Mocks(run_real_code=True)))[2].outputs

    assert (mocked, real) == ({"o": "<c.r>"}, {"o": "real"})
