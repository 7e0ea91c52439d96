"""Files that must not get in: one report that names every fault, with node and line."""

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
)


def faults_of(raw):
    imported = load_flow(raw)
    assert imported.definition is None
    assert not imported.report["ok"]
    return imported.report["faults"]


def only_fault(raw):
    (fault,) = faults_of(raw)
    return fault


def warnings_of(raw):
    report = load_flow(raw).report
    assert report["ok"], report["faults"]
    return report["warnings"]


def test_every_fault_is_named_at_once_with_its_node_and_line():
    text = (
        SUPPORT.replace("type: llm", "type: oracle")
        .replace("value_selector: [draft, text]", "value_selector: [ghost, text]")
        .replace("target: done,", "target: nowhere,")
        .replace("title: Mail\n", "title: Mail\n        title: Post\n")
        .replace('icon: "✉"', "icon: &icon x")
    )

    faults = faults_of(text.encode())

    assert [(fault["code"], fault["node_id"], fault["line"]) for fault in faults] == [
        ("anchor_refused", "", line_of(text, "&icon")),
        ("duplicate_key", "begin", line_of(text, "title: Post")),
        ("unknown_kind", "draft", line_of(text, "oracle")),
        ("dangling_reference", "done", line_of(text, "ghost")),
        ("dangling_edge", "draft", line_of(text, "nowhere")),
    ]
    assert faults[3]["path"] == "outputs[0].value_selector"
    assert "“ghost.text”" in faults[3]["message"]
    assert "“nowhere”" in faults[4]["message"]


@pytest.mark.parametrize(
    ("version", "code"),
    [("0.6", "version_not_text"), ("1", "version_not_text"), ("latest", "version_malformed")],
)
def test_a_version_must_be_a_version_in_text(version, code):
    text = SUPPORT.replace("version: 0.6.0", f"version: {version}")

    fault = only_fault(text.encode())

    assert (fault["code"], fault["line"]) == (code, line_of(text, "version: "))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", "version_missing"),
        ("version: 0.7.0", "version_newer"),
        ("version: 1.0.0", "version_newer"),
    ],
)
def test_odd_versions_are_only_warned_of(line, code):
    assert codes(warnings_of(SUPPORT.replace("version: 0.6.0", line).encode())) == [code]


def test_older_minor_versions_are_as_good_as_the_newest():
    assert warnings_of(SUPPORT.replace("0.6.0", "0.1.5").encode()) == []


@pytest.mark.parametrize("mode", ["chat", "agent-chat", "completion"])
def test_modes_that_come_later_are_said_to_come_later(mode):
    raw = f"app: {{name: a, mode: {mode}}}\nkind: app\nversion: 0.6.0\nmodel_config: {{}}\n"

    fault = only_fault(raw.encode())

    assert (fault["code"], fault["line"]) == ("mode_not_supported", 1)
    assert mode in fault["message"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("mode: workflow", "mode: opera", "mode_unknown"),
        ("mode: workflow", "mode: [workflow]", "mode_unknown"),
        ("  mode: workflow\n", "", "mode_missing"),
        ("kind: app", "kind: rag_pipeline", "kind_not_app"),
        ("  graph:", "  chart:", "workflow_missing"),
        ("    nodes:", "    knots:", "wrong_type"),
    ],
)
def test_what_stands_around_the_graph_must_be_right(old, new, code):
    assert code in codes(faults_of(SUPPORT.replace(old, new).encode()))


@pytest.mark.parametrize("kind", ["agent", "knowledge-retrieval", "list-operator"])
def test_kinds_that_come_later_are_told_from_kinds_that_do_not_exist(kind):
    faults = faults_of(flow(start(), node("x", kind), node("y", "telepathy"), end(z="x.out")))

    assert [(fault["code"], fault["node_id"]) for fault in faults] == [
        ("kind_not_supported", "x"),
        ("unknown_kind", "y"),
    ]


def test_an_agent_is_named_as_unbound_too():
    agent = node("x", "agent", agent_strategy_name="react", agent_parameters={"query": {}})
    report = load_flow(flow(start(), agent, end())).report

    assert codes(report["faults"]) == ["kind_not_supported"]
    assert (report["unbound"][0]["node_id"], report["unbound"][0]["tool"]) == ("x", "react")


def test_a_circle_is_one_fault_that_names_all_its_nodes():
    texts = [node(name, "template-transform", template="x") for name in "abcd"]
    edges = [edge("start", "a"), edge("a", "b"), edge("b", "c"), edge("c", "a"), edge("c", "d")]
    edges.append(edge("d", "end"))

    fault = only_fault(flow(start(), *texts, end(), edges=edges))

    assert fault["code"] == "cycle"
    assert fault["message"].endswith(": a, b, c.")
    assert fault["line"]


def test_circles_that_touch_are_one_and_circles_apart_are_two():
    texts = [node(name, "template-transform", template="x") for name in "abcde"]
    edges = [edge("start", "a"), edge("a", "b"), edge("b", "a"), edge("b", "c"), edge("c", "b")]
    edges += [edge("c", "d"), edge("d", "e"), edge("e", "d"), edge("e", "end")]

    messages = [fault["message"] for fault in faults_of(flow(start(), *texts, end(), edges=edges))]

    assert sorted(message.rpartition(": ")[2] for message in messages) == ["a, b, c.", "d, e."]


def test_a_node_that_follows_itself_is_a_circle():
    edges = [edge("start", "end"), edge("end", "end")]

    assert only_fault(flow(start(), end(), edges=edges))["code"] == "cycle"


def test_an_id_can_be_used_once_only():
    fault = only_fault(flow(start(), end(), end(), edges=[edge("start", "end")]))

    assert (fault["code"], fault["node_id"]) == ("duplicate_node", "end")


def test_a_flow_begins_once():
    second = node("again", "start")
    trigger = node("hook", "trigger-webhook")
    edges = [edge("start", "end"), edge("again", "end"), edge("hook", "end")]

    faults = faults_of(flow(start(), second, trigger, end(), edges=edges))

    assert {(fault["code"], fault["node_id"]) for fault in faults} == {
        ("second_start", "again"),
        ("start_and_trigger", "hook"),
        ("kind_not_supported", "hook"),
    }


def test_a_flow_needs_a_start():
    assert only_fault(flow(end()))["code"] == "start_missing"
    assert only_fault(flow())["code"] == "no_nodes"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{#ghost.text#}}", "there is no node “ghost”"),
        ("{{#start.b#}}", "the node “start” has no output “b”"),
        ("{{#sys.weather#}}", "there is no system variable “weather”"),
        ("{{#env.KEY#}}", "there is no environment variable “KEY”"),
        ("{{#conversation.mood#}}", "there is no conversation variable “mood”"),
    ],
)
def test_references_to_nothing_are_faults(text, why):
    fault = only_fault(flow(start("a"), answer(f"Hello {text}!"), mode="advanced-chat"))

    assert (fault["code"], fault["node_id"], fault["path"]) == (
        "dangling_reference",
        "answer",
        "answer",
    )
    assert why in fault["message"]


def test_where_dify_would_run_on_a_trial_may_too():
    imported = load_flow(flow(start(), answer("{{#ghost.x#}}"), mode="advanced-chat"), lenient=True)

    assert imported.definition is not None
    assert codes(imported.report["warnings"]) == ["dangling_reference"]


@pytest.mark.parametrize(
    "text",
    [
        "{{#start.a#}}",
        "{{#start.a.key.deeper#}}",
        "{{#sys.query#}}",
        "{{#env.KEY#}}",
        "{{#conversation.mood#}}",
    ],
)
def test_references_to_something_are_fine(text):
    raw = flow(
        start("a"),
        answer(text),
        mode="advanced-chat",
        environment_variables=[{"name": "KEY", "value": "x"}],
        conversation_variables=[{"name": "mood", "value_type": "string", "value": ""}],
    )

    assert warnings_of(raw) == []


@pytest.mark.parametrize(
    "text", ["{{# start.a #}}", "{{#start.a.0#}}", "{{#节点.a#}}", "{{#a-b.c#}}"]
)
def test_what_dify_does_not_read_as_a_reference_is_warned_of(text):
    (warning,) = warnings_of(flow(start("a"), answer(text), mode="advanced-chat"))

    assert (warning["code"], warning["node_id"]) == ("literal_reference", "answer")
    assert text in warning["message"]


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (
            "code",
            {
                "code": "",
                "code_language": "python3",
                "outputs": {},
                "variables": [{"variable": "v", "value_selector": ["ghost", "x"]}],
            },
            "variables[0].value_selector",
        ),
        (
            "template-transform",
            {"template": "", "variables": [{"variable": "v", "value_selector": ["ghost", "x"]}]},
            "variables[0].value_selector",
        ),
        ("variable-aggregator", {"variables": [["start", "a"], ["ghost", "x"]]}, "variables[1]"),
        (
            "variable-aggregator",
            {
                "advanced_settings": {
                    "group_enabled": True,
                    "groups": [{"group_name": "g", "variables": [["ghost", "x"]]}],
                }
            },
            "advanced_settings.groups[0].variables[0]",
        ),
        (
            "http-request",
            {"method": "get", "url": "http://a/{{#ghost.x#}}"},
            "url",
        ),
        (
            "llm",
            {
                "model": {"name": "m"},
                "prompt_template": [{"role": "user", "text": "{{#ghost.x#}}"}],
                "context": {"enabled": True, "variable_selector": ["start", "a"]},
            },
            "prompt_template[0].text",
        ),
        (
            "llm",
            {
                "model": {"name": "m"},
                "prompt_template": [],
                "context": {"enabled": True, "variable_selector": ["ghost", "x"]},
            },
            "context.variable_selector",
        ),
        (
            "tool",
            {
                "provider_id": "p",
                "tool_name": "t",
                "tool_parameters": {"q": {"type": "variable", "value": ["ghost", "x"]}},
            },
            "tool_parameters.q.value",
        ),
        (
            "human-input",
            {"user_actions": [{"id": "ok"}], "form_content": "{{#ghost.x#}} {{#$output.note#}}"},
            "form_content",
        ),
    ],
)
def test_references_are_checked_wherever_a_kind_holds_them(kind, data, path):
    handle = "ok" if kind == "human-input" else "source"
    edges = [edge("start", "x"), edge("x", "end", handle)]

    fault = only_fault(flow(start("a"), node("x", kind, **data), end(), edges=edges))

    assert (fault["code"], fault["node_id"], fault["path"]) == ("dangling_reference", "x", path)


def test_what_is_switched_off_is_not_checked():
    call = node(
        "say",
        "llm",
        model={"name": "m"},
        prompt_template=[],
        context={"enabled": False, "variable_selector": ["ghost", "x"]},
        vision={"enabled": False, "configs": {"variable_selector": ["ghost", "y"]}},
    )

    assert warnings_of(flow(start(), call, end(x="say.text"))) == []


@pytest.mark.parametrize("operator", ["is empty", "==", None, 7])
def test_comparisons_that_do_not_exist_are_faults(operator):
    case = {
        "case_id": "true",
        "conditions": [{"variable_selector": ["start", "a"], "comparison_operator": operator}],
    }
    edges = [edge("start", "fork"), edge("fork", "end", "true")]

    fault = only_fault(flow(start("a"), node("fork", "if-else", cases=[case]), end(), edges=edges))

    assert (fault["code"], fault["node_id"]) == ("unknown_operator", "fork")
    assert fault["path"] == "cases[0].conditions[0].comparison_operator"


@pytest.mark.parametrize(
    ("data", "code", "path"),
    [
        ({"prompt_template": []}, "missing_field", "model"),
        ({"model": "gpt", "prompt_template": []}, "wrong_type", "model"),
        ({"model": {"name": "m"}, "prompt_template": "hi"}, "wrong_type", "prompt_template"),
    ],
)
def test_fields_that_a_node_cannot_do_without_are_checked(data, code, path):
    fault = only_fault(flow(start(), node("say", "llm", **data), end()))

    assert (fault["code"], fault["node_id"], fault["path"]) == (code, "say", path)


def test_harmless_oddities_are_only_warned_of():
    fork = node("fork", "if-else", cases=[{"case_id": "true", "conditions": []}])
    edges = [edge("start", "fork"), edge("fork", "answer", "maybe"), edge("lost-1", "answer")]
    spoken = answer("key sk-abcdefghijklmnopqrstuvwxyz")
    raw = flow(start(), fork, spoken, node("lost-1", "answer", answer=""), edges=edges)

    found = {(warning["code"], warning["node_id"]) for warning in warnings_of(raw)}

    assert found == {
        ("empty_case", "fork"),
        ("unknown_handle", "fork"),
        ("secret_in_text", "answer"),
        ("hyphen_id", "lost-1"),
        ("unreachable_node", "lost-1"),
        ("end_missing", ""),
    }


def test_a_secret_is_not_repeated_in_the_report():
    raw = flow(start(), answer("sk-abcdefghijklmnopqrstuvwxyz"), mode="advanced-chat")

    assert "ghijkl" not in str(load_flow(raw).report)


def test_ids_that_no_run_could_hold_are_refused():
    long = "n" * 81
    cases = [{"case_id": long, "conditions": []}]
    actions = [{"id": long, "title": "Yes"}]
    raw = flow(
        start(),
        node("if", "if-else", cases=cases),
        node("ask", "human-input", user_actions=actions),
        node(long, "template-transform", template="x"),
        end(),
        edges=[edge("start", "if"), edge("if", "ask", "false"), edge("ask", long, "__timeout")],
    )

    faults = faults_of(raw)

    assert [fault["code"] for fault in faults] == ["id_too_long"] * 3
    assert {fault["node_id"] for fault in faults} == {"if", "ask", long}
