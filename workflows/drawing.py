"""A definition, and where a run stands in it, as something a template can draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.layout import NODE_HEIGHT, NODE_WIDTH, Layout, lay_out


@dataclass(frozen=True, slots=True)
class DrawnNode:
    id: str
    kind: str
    title: str
    note: str
    state: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Drawing:
    nodes: list[DrawnNode]
    layout: Layout
    node_width: int = NODE_WIDTH
    node_height: int = NODE_HEIGHT


def draw(definition: Mapping[str, Any], states: Mapping[str, str] | None = None) -> Drawing:
    """`states`: node id -> running, waiting, succeeded, failed, exception."""
    nodes = definition.get("nodes", [])
    edges = [
        {**edge, "label": _label(edge.get("sourceHandle", ""), nodes)}
        for edge in definition.get("edges", [])
    ]
    layout = lay_out(nodes, edges)
    return Drawing([_node(node, layout, states or {}) for node in nodes], layout)


def _node(node: Mapping[str, Any], layout: Layout, states: Mapping[str, str]) -> DrawnNode:
    at = layout.positions[str(node["id"])]
    return DrawnNode(
        id=str(node["id"]),
        kind=node["type"],
        title=node.get("title") or node["type"],
        note=_note(node),
        state=states.get(str(node["id"]), ""),
        x=at.x,
        y=at.y,
    )


def _note(node: Mapping[str, Any]) -> str:
    data = node.get("data", {})
    if node["type"] == "llm":
        return str(data.get("model", {}).get("name", ""))
    if node["type"] == "http-request":
        return str(data.get("method", "get")).upper()
    if node["type"] == "tool":
        return str(data.get("tool_label") or data.get("tool_name") or "")
    return str(node["type"])


def _label(handle: str, nodes: list[Mapping[str, Any]]) -> str:
    """What a branch is called: nothing for the plain way on, a button's title for a person's."""
    if handle in ("source", ""):
        return ""
    for node in nodes:
        for action in node.get("data", {}).get("user_actions") or []:
            if isinstance(action, dict) and action.get("id") == handle:
                return str(action.get("title") or handle)[:24]
    names = {"false": "else", "true": "if", "__timeout": "time-out", "fail-branch": "on error"}
    return names.get(handle, handle if len(handle) < 16 else "")
