"""From a whole file to a definition: what is read, what is repaired, what is named."""

import json

import pytest

from workflows.dify import load_flow
from workflows.tests.import_samples import (
    SUPPORT,
    answer,
    codes,
    edge,
    end,
    flow,
    line_of,
    node,
    start,
    within_graph,
)


def repaired(raw, node_id):
    imported = load_flow(raw)
    assert imported.report["ok"], imported.report["faults"]
    (found,) = [item for item in imported.definition["nodes"] if item["id"] == node_id]
    return found, codes(imported.report["repairs"])


def test_a_good_file_becomes_a_definition_without_a_word():
    imported = load_flow(SUPPORT.encode())

    report = imported.report
    assert report["ok"]
    assert (report["faults"], report["warnings"], report["repairs"]) == ([], [], [])
    assert (imported.name, imported.mode, imported.version) == (
        "Support mail",
        "workflow",
        "0.6.0",
    )
    assert (imported.icon, imported.description) == ("✉", "Answers mails.")
    assert report["models"] == ["gpt-4o-mini"]
    assert report["summary"] == {
        "nodes": 3,
        "edges": 2,
        "kinds": {"start": 1, "llm": 1, "end": 1},
    }


def test_the_definition_holds_plain_json_without_what_only_the_canvas_needs():
    definition = load_flow(SUPPORT.encode()).definition

    assert json.loads(json.dumps(definition)) == definition
    assert definition["mode"] == "workflow"
    assert definition["compat"] is True
    assert definition["environment"] == [{"name": "LIMIT", "value_type": "number", "value": 100}]
    assert definition["nodes"][2] == {
        "id": "done",
        "type": "end",
        "title": "Answer",
        "position": {"x": 600, "y": 0},
        "data": {"outputs": [{"variable": "answer", "value_selector": ["draft", "text"]}]},
    }
    assert definition["edges"][0] == {
        "id": "e1",
        "source": "begin",
        "target": "draft",
        "sourceHandle": "source",
    }
    assert type(definition["nodes"][0]["data"]) is dict


def test_a_given_name_goes_before_the_one_in_the_file():
    assert load_flow(SUPPORT.encode(), name=" Mine ").name == "Mine"


def test_a_byte_order_mark_is_taken_off():
    imported = load_flow(b"\xef\xbb\xbf" + SUPPORT.encode())

    assert codes(imported.report["repairs"]) == ["byte_order_mark"]
    assert imported.definition == load_flow(SUPPORT.encode()).definition


def test_a_json_wrapper_is_taken_off_with_its_escapes():
    raw = json.dumps({"data": SUPPORT.replace("Support mail", "Support 🛟")}).encode()
    assert b"\\ud83d" in raw

    imported = load_flow(raw)

    assert codes(imported.report["repairs"]) == ["json_wrapper"]
    assert imported.name == "Support 🛟"
    assert imported.report["ok"]


def test_a_graph_alone_gets_an_app_around_it():
    raw = b"""
nodes:
- {id: s, data: {type: start}}
- {id: a, data: {type: answer, answer: hello}}
edges:
- {source: s, target: a}
"""
    imported = load_flow(raw)

    assert imported.report["ok"]
    assert imported.mode == "advanced-chat"
    assert "bare_graph" in codes(imported.report["repairs"])


def test_notes_and_their_edges_are_left_out():
    note = {"id": "note", "type": "custom-note", "data": {"type": "", "text": "remember"}}
    imported = load_flow(
        flow(start(), note, end(), edges=[edge("start", "end"), edge("start", "note")])
    )

    assert imported.report["ok"]
    assert [item["id"] for item in imported.definition["nodes"]] == ["start", "end"]
    assert {"note_dropped", "note_edge_dropped"} <= set(codes(imported.report["repairs"]))


@pytest.mark.parametrize("handle", [None, ""])
def test_an_edge_without_a_handle_leaves_by_source(handle):
    imported = load_flow(flow(start(), end(), edges=[edge("start", "end", handle)]))

    assert imported.definition["edges"][0]["sourceHandle"] == "source"
    (repair,) = [r for r in imported.report["repairs"] if r["code"] == "handle_source"]
    assert (repair["before"], repair["after"]) == (handle, "source")
    assert repair["node_id"] == "start"
    assert repair["line"]


def test_the_success_side_of_an_error_branch_leaves_by_source():
    call = node("call", "http-request", method="get", url="http://a/", error_strategy="fail-branch")
    edges = [
        edge("start", "call"),
        edge("call", "end", "success-branch"),
        edge("call", "sorry", "fail-branch"),
    ]
    imported = load_flow(flow(start(), call, end(), node("sorry", "end"), edges=edges))

    handles = [item["sourceHandle"] for item in imported.definition["edges"]]
    assert handles == ["source", "source", "fail-branch"]
    assert "handle_success" in codes(imported.report["repairs"])
    assert not imported.report["warnings"]


def test_edges_that_stand_twice_are_left_out_and_each_has_its_own_id():
    edges = [edge("start", "end") | {"id": "e"} for _ in range(2)]
    edges.append(edge("start", "last") | {"id": "e"})
    imported = load_flow(flow(start(), end(), node("last", "end"), edges=edges))

    assert [item["id"] for item in imported.definition["edges"]] == ["e", "start-source-last"]
    assert {"duplicate_edge", "edge_id"} <= set(codes(imported.report["repairs"]))


def test_the_old_name_of_the_aggregator_is_replaced():
    old = node("pick", "variable-assigner", output_type="string", variables=[["start", "a"]])
    found, repairs = repaired(flow(start("a"), old, end(x="pick.output")), "pick")

    assert found["type"] == "variable-aggregator"
    assert "kind_renamed" in repairs


def test_group_settings_without_groups_are_switched_off():
    pick = node(
        "pick",
        "variable-aggregator",
        variables=[["start", "a"]],
        advanced_settings={"group_enabled": True},
    )
    found, repairs = repaired(flow(start("a"), pick, end(x="pick.output")), "pick")

    assert found["data"]["advanced_settings"] == {"group_enabled": False, "groups": []}
    assert "groups_added" in repairs


def test_a_missing_context_of_a_model_call_is_added():
    call = node("say", "llm", model={"name": "m"}, prompt_template=[])
    found, repairs = repaired(flow(start(), call, end(x="say.text")), "say")

    assert found["data"]["context"] == {"enabled": False, "variable_selector": []}
    assert "context_added" in repairs


def test_old_conditions_become_a_case():
    fork = node(
        "fork",
        "if-else",
        logical_operator="or",
        conditions=[{"variable_selector": ["start", "a"], "comparison_operator": "is", "value": 1}],
    )
    edges = [edge("start", "fork"), edge("fork", "end", "true")]
    found, repairs = repaired(flow(start("a"), fork, end(), edges=edges), "fork")

    (case,) = found["data"]["cases"]
    assert (case["case_id"], case["logical_operator"]) == ("true", "or")
    assert len(case["conditions"]) == 1
    assert "conditions" not in found["data"]
    assert "cases_from_conditions" in repairs


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ({"type": "none", "data": ""}, []),
        (
            {"type": "json", "data": '{"a": 1}'},
            [{"key": "", "type": "text", "value": '{"a": 1}'}],
        ),
        (
            {"type": "form-data", "data": "a: 1\n\nb:x:y"},
            [
                {"key": "a", "type": "text", "value": "1"},
                {"key": "b", "type": "text", "value": "x:y"},
            ],
        ),
    ],
)
def test_a_body_written_as_text_becomes_a_list(body, parts):
    call = node("call", "http-request", method="post", url="http://a/", body=body)
    found, repairs = repaired(flow(start(), call, end(x="call.body")), "call")

    assert found["data"]["body"]["data"] == parts
    assert "body_from_text" in repairs


def test_unquoted_digits_are_an_id():
    raw = within_graph("""\
        nodes:
        - {id: 17, data: {type: start}}
        - {id: 18, data: {type: end, outputs: []}}
        edges:
        - {source: 17, target: 18, sourceHandle: source}
    """)
    imported = load_flow(raw)

    assert imported.report["ok"]
    assert [item["id"] for item in imported.definition["nodes"]] == ["17", "18"]


def test_nodes_without_a_position_are_laid_out_in_layers():
    definition = load_flow(flow(start(), answer("hi"), end())).definition

    columns = [item["position"]["x"] for item in definition["nodes"]]
    assert columns == sorted(set(columns))


def test_tools_are_named_as_unbound_with_their_parameters():
    search = node(
        "search",
        "tool",
        provider_id="acme/tavily",
        provider_name="tavily",
        tool_name="tavily_search",
        tool_configurations={"depth": "basic"},
        tool_parameters={"query": {"type": "mixed", "value": "{{#start.q#}}"}},
    )
    imported = load_flow(flow(start("q"), search, end(x="search.anything")))

    assert imported.report["ok"]
    assert imported.report["unbound"] == [
        {
            "node_id": "search",
            "title": "search",
            "provider": "tavily",
            "tool": "tavily_search",
            "parameters": {
                "depth": "basic",
                "query": {"type": "mixed", "value": "{{#start.q#}}"},
            },
        }
    ]


def test_the_line_of_a_repair_is_the_line_in_the_file():
    text = SUPPORT.replace(
        "sourceHandle: source}\n    - {id: e2", "sourceHandle: null}\n    - {id: e2"
    )

    (repair,) = load_flow(text.encode()).report["repairs"]

    assert (repair["code"], repair["line"]) == ("handle_source", line_of(text, "null"))
