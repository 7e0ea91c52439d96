"""Start, end, answer, if-else, variable aggregator and tool."""

import pytest

from workflows.nodes import KINDS
from workflows.nodes.base import NodeFailed
from workflows.tests.flows import answer, context, end, node, run_node


def form(*rows):
    return node("start", "start", variables=list(rows))


def row(name, kind="text-input", **rest):
    return {"variable": name, "type": kind, **rest}


async def start_with(inputs, *rows):
    made, _ = context(form(*rows), query="Q")
    made.run = type("R", (), {"inputs": inputs, "system": {"query": "Q"}, "run_id": "r"})()
    kind = KINDS["start"]
    return await kind.run(made, kind.config.model_validate(form(*rows)["data"]))


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("number", "3", 3),
        ("number", "3.5", 3.5),
        ("number", 0, 0),
        ("checkbox", "true", True),
        ("json_object", '{"a": 1}', {"a": 1}),
        ("paragraph", "text", "text"),
        ("file", {"url": "http://x/a.pdf", "type": "document"}, None),
    ],
)
async def test_inputs_take_the_type_of_their_field(kind, given, kept):
    outcome = await start_with({"x": given}, row("x", kind))

    value = outcome.outputs["x"]
    assert value == kept if kind != "file" else value["__file__"] == "a.pdf"
    assert outcome.outputs["sys.query"] == "Q"


@pytest.mark.parametrize(
    ("kind", "given", "rest"),
    [
        ("text-input", None, {"required": True}),
        ("text-input", "", {"required": True}),
        ("text-input", "four", {"max_length": 3}),
        ("text-input", 5, {}),
        ("select", "c", {"options": ["a", "b"]}),
        ("number", "many", {}),
        ("number", True, {}),
        ("checkbox", "perhaps", {}),
        ("json_object", "[1]", {}),
        ("json_object", "{", {}),
        ("file", "a.pdf", {}),
        ("file-list", {"url": "x"}, {}),
    ],
)
async def test_inputs_that_break_the_form_are_refused_by_name(kind, given, rest):
    with pytest.raises(NodeFailed, match=r"^x ") as caught:
        await start_with({"x": given}, row("x", kind, **rest))

    assert caught.value.code == "invalid_input"


async def test_what_is_left_out_takes_its_default_or_is_null():
    outcome = await start_with({"extra": 1}, row("a", default="D"), row("b"))

    assert (outcome.outputs["a"], outcome.outputs["b"]) == ("D", None)
    assert outcome.outputs["extra"] == 1


async def test_an_end_hands_out_its_variables_and_null_for_the_missing():
    outcome = await run_node(end(o="n.x", gone="n.y"), {"n": {"x": [1]}})

    assert outcome.outputs == {"o": [1], "gone": None}


async def test_an_answer_is_markdown_with_its_files():
    file = {"__file__": "a.pdf", "url": "u"}

    outcome = await run_node(
        answer("a", "{{#n.l#}} {{#n.f#}} {{#n.gone#}}"), {"n": {"l": ["x"], "f": file}}
    )

    assert outcome.outputs == {"answer": "- x [a.pdf](u) n.gone", "files": [file]}


def cases(*rows, **rest):
    return node(
        "if", "if-else", cases=[{"case_id": name, "conditions": c} for name, c in rows], **rest
    )


def is_(path, value):
    return {"variable_selector": path.split("."), "comparison_operator": "is", "value": value}


async def test_the_first_case_that_holds_is_taken():
    found = cases(
        ("one", [is_("n.x", "b")]), ("two", [is_("n.x", "a")]), ("three", [is_("n.x", "a")])
    )

    outcome = await run_node(found, {"n": {"x": "a"}})

    assert outcome.handle == "two"
    assert outcome.outputs == {"result": True, "selected_case_id": "two"}
    assert outcome.inputs["cases"][0]["conditions"][0]["value"] == "a"


async def test_no_case_is_false():
    outcome = await run_node(cases(("one", [is_("n.x", "b")])), {"n": {"x": "a"}})

    assert (outcome.handle, outcome.outputs["result"]) == ("false", False)


async def test_conditions_of_the_old_form_are_one_case():
    found = node(
        "if", "if-else", logical_operator="or", conditions=[is_("n.x", "b"), is_("n.x", "a")]
    )

    assert (await run_node(found, {"n": {"x": "a"}})).handle == "true"


async def test_a_comparison_that_makes_no_sense_fails_the_node():
    with pytest.raises(NodeFailed, match="not found") as caught:
        await run_node(cases(("one", [is_("gone.x", "b")])))

    assert caught.value.code == "condition_failed"


async def test_the_aggregator_goes_by_configured_order():
    found = node("agg", "variable-aggregator", variables=[["zz", "x"], ["b", "x"], ["a", "x"]])

    outcome = await run_node(found, {"a": {"x": 1}, "b": {"x": None}})

    assert outcome.outputs == {"output": None}


async def test_the_aggregator_without_any_puts_nothing_out():
    found = node("agg", "variable-aggregator", variables=[["zz", "x"]])

    assert (await run_node(found)).outputs == {}


async def test_the_aggregator_in_groups():
    groups = [
        {"group_name": "G", "variables": [["zz", "x"], ["a", "x"]]},
        {"group_name": "H", "variables": [["zz", "x"]]},
    ]
    settings = {"group_enabled": True, "groups": groups}
    found = node("agg", "variable-aggregator", variables=[], advanced_settings=settings)

    outcome = await run_node(found, {"a": {"x": 1}})

    assert outcome.outputs == {"G": {"output": 1}}
    assert KINDS["variable-aggregator"].outputs(found["data"]) == {"G", "H"}


async def test_a_tool_that_is_bound_to_nothing_fails_with_its_parameters_filled_in():
    found = node(
        "t",
        "tool",
        provider_id="web",
        tool_name="search",
        tool_parameters={
            "q": {"type": "mixed", "value": "about {{#n.x#}}"},
            "list": {"type": "variable", "value": ["n", "l"]},
            "n": {"type": "constant", "value": 3},
        },
    )

    with pytest.raises(NodeFailed) as caught:
        await run_node(found, {"n": {"x": "cats", "l": [1]}})

    assert caught.value.code == "tool_unbound"
    assert caught.value.inputs == {"q": "about cats", "list": [1], "n": 3}
    assert not caught.value.retryable
