"""A definition, and where a run stands in it, as something a template can draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.templatetags.ui import nodename
from workflows.layout import MARGIN, NODE_HEIGHT, NODE_WIDTH, Layout, Size
from workflows.nesting import lay_out_nested

RISE = 14
"""Of a container's own node below the upper edge of its box."""


@dataclass(frozen=True, slots=True)
class DrawnNode:
    id: str
    kind: str
    title: str
    note: str
    state: str
    x: float
    y: float
    width: float = NODE_WIDTH
    parent: str = ""
    rounds: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """What a container's children stand in."""

    id: str
    x: float
    y: float
    size: Size


@dataclass(frozen=True, slots=True)
class Drawing:
    nodes: list[DrawnNode]
    boxes: list[Box]
    layout: Layout
    node_height: int = NODE_HEIGHT


def draw(
    definition: Mapping[str, Any],
    states: Mapping[str, str] | None = None,
    rounds: Mapping[str, str] | None = None,
) -> Drawing:
    """The picture of a definition, and of a run of it.

    `states`: node id -> running, waiting, succeeded, failed, exception. `rounds`: container -> how
    many of them have begun.
    """
    nodes = definition.get("nodes", [])
    edges = [
        {**edge, "label": _label(edge.get("sourceHandle", ""), nodes)}
        for edge in definition.get("edges", [])
    ]
    layout = lay_out_nested(nodes, edges)
    boxes = [Box(key, *layout.positions[key], size) for key, size in layout.sizes.items()]
    drawn = [_node(node, layout, states or {}, rounds or {}) for node in nodes]
    return Drawing(drawn, boxes, layout)


def _node(
    node: Mapping[str, Any], layout: Layout, states: Mapping[str, str], rounds: Mapping[str, str]
) -> DrawnNode:
    key = str(node["id"])
    at, boxed = layout.positions[key], key in layout.sizes
    return DrawnNode(
        id=key,
        kind=node["type"],
        title=node.get("title") or node["type"],
        note=_note(node),
        state=states.get(key, ""),
        x=at.x + MARGIN if boxed else at.x,
        y=at.y + RISE if boxed else at.y,
        width=layout.sizes[key].width - 2 * MARGIN if boxed else NODE_WIDTH,
        parent=str(node.get("parent") or ""),
        rounds=rounds.get(key, ""),
    )


def _note(node: Mapping[str, Any]) -> str:
    data = node.get("data", {})
    if node["type"] == "llm":
        return str(data.get("model", {}).get("name", ""))
    if node["type"] == "http-request":
        return str(data.get("method", "get")).upper()
    if node["type"] == "tool":
        return str(data.get("tool_label") or data.get("tool_name") or "")
    return str(nodename(node["type"]))


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
