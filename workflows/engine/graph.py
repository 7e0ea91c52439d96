"""The shape of a workflow, read once from its stored definition."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

SOURCE = "source"
FAIL_BRANCH = "fail-branch"
STARTS = frozenset({"start", "trigger-webhook", "trigger-schedule", "trigger-plugin"})
INNER_STARTS = frozenset({"iteration-start", "loop-start"})
CLEANUP = "on-cancel"
"""Starts the branch that a cancelled run still goes through."""


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
    def cleanup(self) -> str:
        """The node that a cancelled run goes on from; empty where there is none."""
        if "cleanup" not in self.cache:
            outer = (node for node in self.nodes.values() if node.kind == CLEANUP)
            self.cache["cleanup"] = next((node.id for node in outer if not node.parent), "")
        found: str = self.cache["cleanup"]
        return found

    @property
    def cleaners(self) -> frozenset[str]:
        """All nodes of the clean-up branch."""
        if "cleaners" not in self.cache:
            self.cache["cleaners"] = _behind(self, self.cleanup) if self.cleanup else frozenset()
        found: frozenset[str] = self.cache["cleaners"]
        return found

    def inside(self, container: str) -> "Graph":
        """The graph of one round of a container: its children, entered where it says."""
        known: dict[str, Graph] = self.cache.setdefault("inside", {})
        if container not in known:
            known[container] = _inside(self, container)
        return known[container]

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


def _behind(graph: Graph, first: str) -> frozenset[str]:
    seen, stack = {first}, [first]
    while stack:
        for edge in graph.out[stack.pop()]:
            if edge.target not in seen:
                seen.add(edge.target)
                stack.append(edge.target)
    return frozenset(seen)


def _inside(graph: Graph, container: str) -> Graph:
    nodes = {key: node for key, node in graph.nodes.items() if node.parent == container}
    out = {key: tuple(edge for edge in graph.out[key] if edge.target in nodes) for key in nodes}
    incoming = dict.fromkeys(nodes, 0)
    for edges in out.values():
        for edge in edges:
            incoming[edge.target] += 1
    start = _inner_start(nodes, incoming, str(graph.nodes[container].data.get("start_node_id")))
    return Graph(graph.definition, nodes, out, incoming, start, graph.compat)


def _inner_start(nodes: Mapping[str, Node], incoming: Mapping[str, int], named: str) -> str:
    """As the container says; old flows name a plain node, others leave it to its kind."""
    if named in nodes:
        return named
    by_kind = (key for key, node in nodes.items() if node.kind in INNER_STARTS)
    first = (key for key in nodes if not incoming[key])
    return next(by_kind, "") or next(first, "")


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
