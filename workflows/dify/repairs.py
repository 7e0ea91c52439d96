"""Old and broken forms of node data, turned into today's. Each change is noted in the report."""

from collections.abc import Callable
from typing import Any

from workflows.dify.flow import Flow, FlowNode, as_list, as_mapping, as_text
from workflows.dify.tree import plain

LINE_BODIES = frozenset({"form-data", "x-www-form-urlencoded"})
FIRST_CASE = "true"


def repair_nodes(flow: Flow) -> None:
    for node in flow.nodes.values():
        if repair := REPAIRS.get(node.kind):
            repair(flow, node)


def _repair_llm(flow: Flow, node: FlowNode) -> None:
    if node.data.get("context") is None:
        context: dict[str, Any] = {"enabled": False, "variable_selector": []}
        flow.notes.repair("context_added", node.at("context"), after=context)
        node.data["context"] = context


def _repair_if_else(flow: Flow, node: FlowNode) -> None:
    conditions = node.data.get("conditions")
    if not node.data.get("cases") and isinstance(conditions, list) and conditions:
        case = {
            "case_id": FIRST_CASE,
            "logical_operator": as_text(node.data.get("logical_operator")) or "and",
            "conditions": conditions,
        }
        at = node.at("conditions")
        flow.notes.repair("cases_from_conditions", at, before="conditions", after="cases")
        node.data["cases"] = [case]
    node.data.pop("conditions", None)
    node.data.pop("logical_operator", None)
    for index, case in enumerate(as_list(node.data.get("cases"))):
        if isinstance(case, dict) and not isinstance(case.get("case_id"), str):
            _name_case(flow, node, index, case)


def _name_case(flow: Flow, node: FlowNode, index: int, case: dict[str, Any]) -> None:
    before = case.get("case_id")
    fallback = FIRST_CASE if index == 0 else f"case-{index + 1}"
    if before is None:
        after = as_text(case.get("id")) or fallback
    else:
        after = str(before).lower() if isinstance(before, bool) else str(plain(before))
    case["case_id"] = after
    at = node.at("cases", index)
    flow.notes.repair("case_id", at, before=plain(before), after=after)


def _repair_http(flow: Flow, node: FlowNode) -> None:
    body, at = node.data.get("body"), node.at("body")
    if body is None:
        node.data["body"] = {"type": "none", "data": []}
        flow.notes.repair("body_added", at, after="none")
    elif isinstance(body, str):
        kind = "raw-text" if body else "none"
        node.data["body"] = {"type": kind, "data": _parts("raw-text", body)}
        flow.notes.repair("body_from_text", at, before=body, after=node.data["body"])
    elif isinstance(body, dict) and isinstance(body.get("data"), str):
        text = body["data"]
        body["data"] = _parts(as_text(body.get("type")), text)
        flow.notes.repair(
            "body_from_text", node.at("body", "data"), before=text, after=body["data"]
        )


def _parts(kind: str, text: str) -> list[dict[str, str]]:
    """The list form of a body that older versions kept as one text (`key:value` per line)."""
    if not text.strip() or kind == "none":
        return []
    if kind not in LINE_BODIES:
        return [{"key": "", "type": "text", "value": text}]
    pairs = (line.partition(":") for line in text.splitlines() if line.strip())
    return [{"key": key.strip(), "type": "text", "value": value.strip()} for key, _, value in pairs]


def _repair_aggregator(flow: Flow, node: FlowNode) -> None:
    if "advanced_settings" not in node.data:
        return
    settings, at = node.data["advanced_settings"], node.at("advanced_settings")
    if settings is None or (isinstance(settings, dict) and not as_list(settings.get("groups"))):
        off = {"group_enabled": False, "groups": []}
        if plain(settings) != off:
            flow.notes.repair("groups_added", at, before=plain(settings), after=off)
        node.data["advanced_settings"] = off


def _repair_tool(flow: Flow, node: FlowNode) -> None:
    """Name the connector that must be bound before the flow can be published."""
    parameters = {
        name: plain(value)
        for field in ("tool_configurations", "tool_parameters")
        for name, value in as_mapping(node.data.get(field)).items()
    }
    provider = node.data.get("provider_name") or node.data.get("provider_id")
    flow.notes.unbound.append(
        {
            "node_id": node.id,
            "title": node.title,
            "provider": as_text(provider),
            "tool": as_text(node.data.get("tool_name")),
            "parameters": parameters,
        }
    )


def _repair_agent(flow: Flow, node: FlowNode) -> None:
    flow.notes.unbound.append(
        {
            "node_id": node.id,
            "title": node.title,
            "provider": as_text(node.data.get("agent_strategy_provider_name")),
            "tool": as_text(node.data.get("agent_strategy_name")),
            "parameters": plain(as_mapping(node.data.get("agent_parameters"))),
        }
    )


REPAIRS: dict[str, Callable[[Flow, FlowNode], None]] = {
    "llm": _repair_llm,
    "if-else": _repair_if_else,
    "http-request": _repair_http,
    "variable-aggregator": _repair_aggregator,
    "tool": _repair_tool,
    "agent": _repair_agent,
}
