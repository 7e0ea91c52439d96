"""Drawing a graph whose containers hold graphs of their own: a box in a box."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workflows.layout import MARGIN, NODE_HEIGHT, NODE_WIDTH, Layout, Point, Size, lay_out

HEAD = NODE_HEIGHT + 12
"""Above what a container holds: the container's own node, and room above it."""
Nodes = Mapping[str, list[Mapping[str, Any]]]


def lay_out_nested(
    nodes: Sequence[Mapping[str, Any]], edges: Iterable[Mapping[str, Any]]
) -> Layout:
    """Like `lay_out`, with children (`{"parent"}`) inside the box of their container.

    `sizes` are those of containers. Edges from inside a container to outside of it are left out;
    a node whose parent is not there stands outside.
    """
    parents = _parents(nodes)
    held: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for node in nodes:
        held[parents[str(node["id"])]].append(node)
    return _inside("", held, list(edges))


def _parents(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By node; none where there is no such node, or where it would stand in itself."""
    said = {str(node["id"]): str(node.get("parent") or "") for node in nodes}
    return {key: parent if _ends(key, said) else "" for key, parent in said.items()}


def _ends(key: str, said: Mapping[str, str]) -> bool:
    seen = {key}
    while key := said[key]:
        if key in seen or key not in said:
            return False
        seen.add(key)
    return True


def _inside(parent: str, held: Nodes, edges: list[Mapping[str, Any]]) -> Layout:
    own = held.get(parent, [])
    ids = [str(node["id"]) for node in own]
    inner = {key: _inside(key, held, edges) for key in ids if key in held}
    sizes = {
        key: Size(max(found.width, NODE_WIDTH + 2 * MARGIN), round(found.height + HEAD, 1))
        for key, found in inner.items()
    }
    outer = lay_out(own, edges, sizes)
    positions, paths, boxes = dict(outer.positions), list(outer.paths), dict(outer.sizes)
    for key, found in inner.items():
        by = Point(outer.positions[key].x, round(outer.positions[key].y + HEAD, 1))
        positions |= {name: _moved(at, by) for name, at in found.positions.items()}
        boxes |= found.sizes
        paths += [
            replace(
                path,
                shift=_moved(path.shift, by),
                label_x=round(path.label_x + by.x, 1),
                label_y=round(path.label_y + by.y, 1),
            )
            for path in found.paths
        ]
    return replace(outer, positions=positions, paths=paths, sizes=boxes)


def _moved(at: Point, by: Point) -> Point:
    return Point(at.x + by.x, round(at.y + by.y, 1))
