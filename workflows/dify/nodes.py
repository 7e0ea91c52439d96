"""Reading the nodes: ids, kinds, positions. What is no node of a run is left out."""

from typing import Any

from workflows.dify.flow import Flow, FlowNode, as_mapping, as_text, type_name
from workflows.dify.kinds import LATER, LONGEST_ID, OLD_NAMES, OURS
from workflows.dify.report import Place
from workflows.dify.tree import Mapping, line_of

NOTE = "custom-note"


def read_nodes(flow: Flow, graph: dict[str, Any]) -> None:
    """Fill `flow.nodes` in the file's order; notes go to `flow.dropped`."""
    items = graph.get("nodes")
    at = Place(line=line_of(graph, "nodes"), path="workflow.graph.nodes")
    if not isinstance(items, list):
        flow.notes.fault("wrong_type", at, field="nodes", wanted="a list", found=type_name(items))
        return
    connected = _connected(graph.get("edges"))
    for index, item in enumerate(items):
        place = Place(line=line_of(items, index), path=f"workflow.graph.nodes[{index}]")
        if not isinstance(item, dict):
            found = type_name(item)
            flow.notes.fault("wrong_type", place, field="node", wanted="a mapping", found=found)
        elif node_id := read_id(flow, item, "id", place):
            _read_node(flow, item, place._replace(node_id=node_id), connected)
    if not flow.nodes and not flow.notes.faults:
        flow.notes.fault("no_nodes", at)


def read_id(flow: Flow, item: dict[str, Any], key: str, at: Place) -> str:
    """An id as text; unquoted digits are a number in YAML. Empty (and a fault) when missing."""
    value = item.get(key)
    if isinstance(value, str) and value:
        return value
    at = at._replace(line=line_of(item, key) or at.line)
    if isinstance(value, int | float) and not isinstance(value, bool):
        flow.notes.repair(
            "id_as_text", at._replace(node_id=str(value)), before=value, after=str(value)
        )
        return str(value)
    if key == "id":
        flow.notes.fault("node_id_missing", at)
    else:
        flow.notes.fault("missing_field", at, field=key)
    return ""


def _connected(edges: Any) -> set[str]:
    ends: set[str] = set()
    for edge in edges if isinstance(edges, list) else []:
        ends.update(str(as_mapping(edge).get(end)) for end in ("source", "target"))
    return ends


def _read_node(flow: Flow, item: dict[str, Any], at: Place, connected: set[str]) -> None:
    data = item.get("data")
    if data is not None and not isinstance(data, dict):
        found = type_name(data)
        flow.notes.fault("wrong_type", at, field="data", wanted="a mapping", found=found)
        return
    data = as_mapping(data)
    kind = data.get("type")
    if item.get("type") == NOTE or not kind:
        _leave_out(flow, item, at, connected)
        return
    if at.node_id in flow.nodes:
        flow.notes.fault("duplicate_node", at, id=at.node_id)
        return
    if len(at.node_id) > LONGEST_ID:
        flow.notes.fault("id_too_long", at, id=at.node_id, limit=LONGEST_ID)
    node = FlowNode(
        id=at.node_id,
        kind=_kind(flow, kind, data, at),
        title=as_text(data.get("title")).strip() or at.node_id,
        data=data,
        position=_position(item.get("position")),
        parent=as_text(item.get("parentId")),
        line=at.line,
        last=item.last if isinstance(item, Mapping) else at.line,
    )
    flow.nodes[node.id] = node


def _leave_out(flow: Flow, item: dict[str, Any], at: Place, connected: set[str]) -> None:
    if item.get("type") != NOTE and at.node_id in connected:
        flow.notes.fault("missing_kind", at, id=at.node_id)
    title = as_text(as_mapping(item.get("data")).get("title"))
    flow.notes.repair("note_dropped", at, before=title or at.node_id, after=None)
    flow.dropped.add(at.node_id)


def _kind(flow: Flow, kind: Any, data: dict[str, Any], at: Place) -> str:
    at = at._replace(line=line_of(data, "type") or at.line, path="type")
    name = kind if isinstance(kind, str) else ""
    if name in OLD_NAMES:
        flow.notes.repair("kind_renamed", at, before=name, after=OLD_NAMES[name])
        return OLD_NAMES[name]
    if name in LATER:
        flow.notes.fault("kind_not_supported", at, kind=name)
    elif name not in OURS:
        flow.notes.fault("unknown_kind", at, kind=kind)
    return name


def _position(value: Any) -> dict[str, float] | None:
    place = as_mapping(value)
    x, y = place.get("x"), place.get("y")
    if isinstance(x, int | float) and isinstance(y, int | float):
        return {"x": x, "y": y}
    return None
