"""The human-input node: the question, the wait, the answer."""

from datetime import UTC, datetime, timedelta

import pytest

from workflows.nodes import KINDS
from workflows.nodes.base import NodeFailed, Waiting
from workflows.tests.flows import World, context, node

HINT = {"type": "variable", "selector": ["n", "hint"]}
FIELDS = [
    {"type": "paragraph", "output_variable_name": "note", "default": HINT},
    {
        "type": "select",
        "output_variable_name": "kind",
        "options": ["a"],
        "default": {"type": "constant", "value": "a"},
    },
]
ACTIONS = [
    {"id": "approve", "title": "Yes", "button_style": "primary"},
    {"id": "reject", "title": "No"},
]
FOUND = node(
    "ask",
    "human-input",
    form_content="Pay {{#n.sum#}}? Note: {{#$output.note#}}",
    inputs=FIELDS,
    user_actions=ACTIONS,
    timeout=2,
    timeout_unit="day",
)
KIND = KINDS["human-input"]
VALUES = {"n": {"sum": 7, "hint": "H"}}


async def asked(found=FOUND):
    world = World()
    made, _ = context(found, VALUES, world)
    config = KIND.config.model_validate(found["data"])
    return world, made, config, await KIND.run(made, config)


async def test_it_opens_a_task_and_waits():
    world, _, _, waiting = await asked()

    assert isinstance(waiting, Waiting)
    (request,) = world.opened
    assert request.key == waiting.wait.key == "run:r1:ask:"
    assert request.content == "Pay 7? Note: {{#$output.note#}}"
    assert request.candidates == []
    assert [field["default"] for field in request.inputs] == ["H", "a"]
    assert request.actions[0] == {"id": "approve", "title": "Yes", "style": "primary"}
    left = waiting.wait.wake_at - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)


async def test_candidates_can_be_named_in_the_flow():
    found = {**FOUND, "data": {**FOUND["data"], "loomwork": {"candidates": ["role:finance"]}}}

    world, *_ = await asked(found)

    assert world.opened[0].candidates == ["role:finance"]


async def test_the_answer_becomes_the_outputs_and_the_exit():
    _, made, config, waiting = await asked()

    outcome = await KIND.resume(
        made, config, waiting.wait, {"action": "approve", "inputs": {"note": "fine", "evil": 1}}
    )

    assert outcome.handle == "approve"
    assert outcome.outputs == {
        "note": "fine",
        "kind": None,
        "__action_id": "approve",
        "__action_value": "Yes",
        "__rendered_content": "Pay 7? Note: fine",
    }


async def test_when_time_is_up_the_task_is_closed():
    world, made, config, waiting = await asked()

    outcome = await KIND.resume(made, config, waiting.wait, {"action": "__timeout"})

    assert outcome.handle == "__timeout"
    assert world.closed == [waiting.wait.key]


async def test_an_action_that_was_not_offered_is_refused():
    _, made, config, waiting = await asked()

    with pytest.raises(NodeFailed) as caught:
        await KIND.resume(made, config, waiting.wait, {"action": "delete"})

    assert caught.value.code == "unknown_action"


def test_its_exits_are_its_actions_and_the_timeout():
    assert KIND.handles(FOUND["data"]) == {"approve", "reject", "__timeout"}
