"""The code node: what goes in, and what may come out."""

import pytest

from workflows.nodes.base import NodeFailed
from workflows.nodes.code_outputs import checked_outputs
from workflows.tests.flows import World, node, run_node


def declare(**types):
    return {
        name: found if isinstance(found, dict) else {"type": found} for name, found in types.items()
    }


async def test_the_code_gets_its_variables_and_its_outputs_are_taken_over():
    world = World(texts={"CODE": {"r": "x", "n": True}})
    found = node(
        "c",
        "code",
        code="CODE",
        code_language="javascript",
        outputs=declare(r="string", n="number"),
        variables=[
            {"variable": "a", "value_selector": ["n", "a"]},
            {"variable": "gone", "value_selector": ["n", "b"]},
        ],
    )

    outcome = await run_node(found, {"n": {"a": [1]}}, world)

    assert world.calls == [("javascript", "CODE", {"a": [1], "gone": None})]
    assert outcome.outputs == {"r": "x", "n": 1}
    assert outcome.inputs == {"a": [1], "gone": None}


@pytest.mark.parametrize(
    ("result", "declared", "message"),
    [
        ({"a": "1"}, declare(a="string", b="string"), "Output b is missing."),
        ({"a": "1", "b": 2}, declare(a="string"), "Not all output parameters are validated."),
        ({"a": 1}, declare(a="string"), "Output a must be a string, got int instead."),
        ({"a": "1"}, declare(a="number"), "Output a must be a number, got str instead."),
        ({"a": 1}, declare(a="boolean"), "Output a must be a boolean, got int instead."),
        ({"a": []}, declare(a="object"), "Output a is not an object, got list instead."),
        ({"a": {}}, declare(a="array[string]"), "Output a is not an array, got dict instead."),
        ({"a": ["x"] * 31}, declare(a="array[string]"), "less than 30 elements"),
        ({"a": [{}] * 31}, declare(a="array[object]"), "less than 30 elements"),
        ({"a": [1] * 1001}, declare(a="array[number]"), "less than 1000 elements"),
        ({"a": ["x", 1]}, declare(a="array[string]"), r"Output a\[1\] must be a string"),
        ({"a": 2**63}, declare(a="number"), "out of range"),
        ({"a": 1e-30}, declare(a="number"), "too high precision"),
        ({"a": "x" * 400_001}, declare(a="string"), "less than 400000 characters"),
        ({"a": {"b": {"c": {"d": {"e": {}}}}}}, declare(a="object"), "too deep"),
        ({"a": 1}, declare(a="file"), "not supported"),
        (["a"], declare(a="string"), "must return an object"),
    ],
)
def test_what_is_not_as_declared_is_refused(result, declared, message):
    with pytest.raises(NodeFailed, match=message) as caught:
        checked_outputs(result, declared)

    assert caught.value.code == "invalid_output"


def test_members_of_objects_may_be_declared_too():
    declared = declare(o={"type": "object", "children": declare(s="string")})

    assert checked_outputs({"o": {"s": "a\x00b"}}, declared) == {"o": {"s": "ab"}}
    with pytest.raises(NodeFailed, match=r"Output o\.s is missing"):
        checked_outputs({"o": {"t": 1}}, declared)


def test_null_is_allowed_everywhere():
    declared = declare(s="string", n="number", o="object", l="array[number]")

    result = {"s": None, "n": None, "o": None, "l": [1, None]}
    assert checked_outputs(result, declared) == result


def test_thirty_strings_and_a_thousand_numbers_are_fine():
    result = {"s": ["x"] * 30, "n": [1] * 1000}

    assert checked_outputs(result, declare(s="array[string]", n="array[number]")) == result
