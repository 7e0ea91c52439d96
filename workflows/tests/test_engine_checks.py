"""Faults of definitions."""

from workflows.engine.checks import check
from workflows.engine.circles import circles
from workflows.nodes import SHAPES
from workflows.tests.flows import chain, edge, end, flow, node, start, template


def codes(definition):
    return {(fault.code, fault.node_id) for fault in check(definition, SHAPES)}


def test_a_sound_flow_has_no_faults():
    assert (
        check(chain(start("a"), template("t", "x", a="start.a"), end(o="t.output")), SHAPES) == []
    )


def test_every_fault_is_reported_at_once():
    definition = flow(
        start(),
        template("a", "x"),
        template("b", "x", lost="gone.x", wrong="a.nope"),
        node("b", "end"),
        node("odd", "no-such-kind"),
        edges=["start -> a", "a -> b", "b -> a", "a -> nowhere", "a:left -> b"],
    )
    definition["nodes"].append({"type": "end", "data": {}})

    assert codes(definition) == {
        ("node_without_id", ""),
        ("duplicate_node", "b"),
        ("unknown_kind", "odd"),
        ("dangling_edge", "a"),
        ("unknown_handle", "a"),
        ("cycle", "a"),
        ("unreachable", "odd"),
    }


def test_a_cycle_names_its_nodes():
    definition = flow(
        start(),
        *(template(key, "x") for key in "abc"),
        edges=["start -> a", "a -> b", "b -> c", "c -> b"],
    )

    (fault,) = check(definition, SHAPES)

    assert fault.code == "cycle"
    assert set(fault.nodes) == {"b", "c"}
    assert "b -> c -> b" in fault.message or "c -> b -> c" in fault.message


def test_two_circles_are_two_findings():
    found = circles("abcd", {"a": ["b"], "b": ["a"], "c": ["c"], "d": ["a"]})

    assert [set(circle) for circle in found] == [{"a", "b"}, {"c"}]


def test_references_to_nothing_are_named():
    definition = chain(
        start("a"),
        template("t", "x", gone="zz.x", typo="start.b", env="env.key", fine="start.a"),
        end(o="t.outptu"),
    )

    messages = sorted(fault.message for fault in check(definition, SHAPES))

    assert messages == [
        "end refers to t.outptu: the node has no output outptu",
        "t refers to env.key: there is no such variable in env",
        "t refers to start.b: the node has no output b",
        "t refers to zz.x: there is no such node",
    ]


def test_a_flow_needs_exactly_one_start():
    twice = flow(start(), node("again", "start"))

    assert ("no_start", "") in codes(flow(end()))
    assert ("second_start", "again") in codes(twice)


def test_exits_of_branches_and_failures_are_known():
    definition = flow(
        start(),
        node("if", "if-else", cases=[{"case_id": "yes", "conditions": []}]),
        node("h", "http-request", error_strategy="fail-branch"),
        end(),
        edges=[
            "start -> if",
            "if:yes -> h",
            "if:false -> end",
            "if:no -> end",
            "h:fail-branch -> end",
            "h -> end",
        ],
    )

    assert codes(definition) == {("unknown_handle", "if")}


def test_what_is_no_definition_at_all_is_a_fault_not_a_crash():
    broken = {"nodes": [None, {"id": 7}], "edges": [edge("x -> y"), None, {}]}

    assert {fault.code for fault in check(broken, SHAPES)} >= {"no_start", "dangling_edge"}
