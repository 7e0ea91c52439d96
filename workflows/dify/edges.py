"""Reading the edges: both ends must exist, handles must be ones that the source chooses."""

from typing import Any

from workflows.dify.flow import Flow, FlowEdge, FlowNode, as_list, as_mapping, type_name
from workflows.dify.kinds import OURS
from workflows.dify.nodes import read_id
from workflows.dify.report import Place
from workflows.dify.tree import line_of

SOURCE, SUCCESS, FAILURE, TIMEOUT, ELSE = (
    "source",
    "success-branch",
    "fail-branch",
    "__timeout",
    "false",
)


def read_edges(flow: Flow, graph: dict[str, Any]) -> None:
    """Fill `flow.edges`; an edge that leads nowhere is a fault and left out."""
    items = graph.get("edges")
    if items is None:
        items = []
    flow.edge_line = line_of(graph, "edges")
    if not isinstance(items, list):
        at = Place(line=flow.edge_line, path="workflow.graph.edges")
        flow.notes.fault("wrong_type", at, field="edges", wanted="a list", found=type_name(items))
        return
    for index, item in enumerate(items):
        at = Place(line=line_of(items, index), path=f"workflow.graph.edges[{index}]")
        if isinstance(item, dict):
            _read_edge(flow, item, at)
        else:
            found = type_name(item)
            flow.notes.fault("wrong_type", at, field="edge", wanted="a mapping", found=found)
    _make_unique(flow)


def _read_edge(flow: Flow, item: dict[str, Any], at: Place) -> None:
    source = read_id(flow, item, "source", at)
    target = read_id(flow, item, "target", at)
    if not source or not target:
        return
    if source in flow.dropped or target in flow.dropped:
        flow.notes.repair("note_edge_dropped", at, before=f"{source} → {target}", after=None)
        return
    missing = [end for end in (source, target) if end not in flow.nodes]
    for end in missing:
        known = target if end == source else source
        here = at._replace(node_id=known if known in flow.nodes else source)
        flow.notes.fault("dangling_edge", here, source=source, target=target, missing=end)
    if not missing:
        handle = _handle(flow, item, at._replace(node_id=source))
        edge_id = item.get("id")
        name = edge_id if isinstance(edge_id, str) else ""
        flow.edges.append(FlowEdge(name, source, target, handle, at.line))


def _handle(flow: Flow, item: dict[str, Any], at: Place) -> str:
    handle = item.get("sourceHandle")
    if handle is None or handle == "":
        flow.notes.repair("handle_source", at, before=handle, after=SOURCE)
        return SOURCE
    if handle == SUCCESS:
        flow.notes.repair("handle_success", at, before=SUCCESS, after=SOURCE)
        return SOURCE
    if isinstance(handle, bool):  # sourceHandle: true, without quotes
        handle = str(handle).lower()
    return str(handle)


def _make_unique(flow: Flow) -> None:
    """Leave out edges that stand twice and give each of the others an id of its own."""
    seen: set[tuple[str, str, str]] = set()
    ids: set[str] = set()
    kept: list[FlowEdge] = []
    for edge in flow.edges:
        ends = (edge.source, edge.handle, edge.target)
        if ends in seen:
            label = f"{edge.source} → {edge.target}"
            flow.notes.repair("duplicate_edge", edge.at, before=label, after=None)
            continue
        seen.add(ends)
        if not edge.id or edge.id in ids:
            name = "-".join(ends)
            flow.notes.repair("edge_id", edge.at, before=edge.id, after=name)
            edge.id = name
        ids.add(edge.id)
        kept.append(edge)
    flow.edges = kept


def check_handles(flow: Flow) -> None:
    """Warn of edges that can never be taken; runs after the repairs of the nodes."""
    offered = {node.id: _handles_of(node) for node in flow.nodes.values() if node.kind in OURS}
    for edge in flow.edges:
        handles = offered.get(edge.source)
        if handles is not None and edge.handle not in handles:
            flow.notes.warn("unknown_handle", edge.at, handle=edge.handle)


def _handles_of(node: FlowNode) -> set[str]:
    if node.kind == "if-else":
        return {ELSE, *_named(node, "cases", "case_id")}
    if node.kind == "human-input":
        return {TIMEOUT, *_named(node, "user_actions", "id")}
    if node.data.get("error_strategy") == FAILURE:
        return {SOURCE, FAILURE}
    return {SOURCE}


def _named(node: FlowNode, field: str, key: str) -> list[str]:
    return [str(as_mapping(item).get(key)) for item in as_list(node.data.get(field))]
