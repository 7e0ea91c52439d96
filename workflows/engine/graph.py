"""The shape of a workflow, read once from its stored definition."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

SOURCE = "source"
FAIL_BRANCH = "fail-branch"
STARTS = frozenset({"start", "trigger-webhook", "trigger-schedule", "trigger-plugin"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What the engine must know of a kind: how its edges fire and what it can put out.

    `outputs` and `handles` read a node's data; None where that cannot be told beforehand.
    """

    branch: bool = False
    response: bool = False
    container: bool = False
    outputs: Callable[[Mapping[str, Any]], frozenset[str] | None] = lambda data: None
    handles: Callable[[Mapping[str, Any]], frozenset[str] | None] = lambda data: None


PLAIN = Shape()
Shapes = Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class Node:
    id: str
    kind: str
    title: str
    data: Mapping[str, Any]
    parent: str = ""
    branch: bool = False
    """Only the edges of the handle it settles with fire; of other nodes all do."""
    response: bool = False
    holds_back: bool = False
    """Streamed text behind it waits until the edge that leads there is taken."""


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    handle: str = SOURCE


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes, edges and their precomputed neighbourhood; one graph serves every run of a version.

    `cache` belongs to those who compile the nodes; nothing in it may depend on a run.
    """

    definition: Mapping[str, Any]
    nodes: Mapping[str, Node]
    out: Mapping[str, tuple[Edge, ...]]
    incoming: Mapping[str, int]
    start: str
    compat: bool = True
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def environment(self) -> list[Mapping[str, Any]]:
        return list(self.definition.get("environment") or ())

    @property
    def conversation(self) -> list[Mapping[str, Any]]:
        return list(self.definition.get("conversation") or ())


NO_SHAPES: Shapes = MappingProxyType({})


def read_graph(definition: Mapping[str, Any], shapes: Shapes = NO_SHAPES) -> Graph:
    """Build the graph of a definition that has passed its checks; edges to nowhere are left out."""
    nodes = {str(raw["id"]): _node(raw, shapes) for raw in definition.get("nodes") or ()}
    out: dict[str, list[Edge]] = {key: [] for key in nodes}
    incoming = dict.fromkeys(nodes, 0)
    for raw in definition.get("edges") or ():
        edge = Edge(str(raw["source"]), str(raw["target"]), raw.get("sourceHandle") or SOURCE)
        if edge.source in nodes and edge.target in nodes:
            out[edge.source].append(edge)
            incoming[edge.target] += 1
    start = next((node.id for node in nodes.values() if _is_start(node)), "")
    edges = {key: tuple(value) for key, value in out.items()}
    return Graph(definition, nodes, edges, incoming, start, bool(definition.get("compat", True)))


def _is_start(node: Node) -> bool:
    return node.kind in STARTS and not node.parent


def _node(raw: Mapping[str, Any], shapes: Shapes) -> Node:
    kind, data = str(raw.get("type")), raw.get("data") or {}
    shape = shapes.get(kind, PLAIN)
    branch = shape.branch or data.get("error_strategy") == FAIL_BRANCH
    return Node(
        id=str(raw["id"]),
        kind=kind,
        title=str(raw.get("title") or kind),
        data=data,
        parent=str(raw.get("parent") or ""),
        branch=branch,
        response=shape.response,
        holds_back=branch or shape.response or shape.container,
    )
