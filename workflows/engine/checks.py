"""Everything that is wrong with a definition, in one list."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.engine.circles import circles
from workflows.engine.graph import FAIL_BRANCH, NO_SHAPES, PLAIN, SOURCE, STARTS, Shape, Shapes
from workflows.engine.references import SCOPES, Ref, reads_of

SYSTEM = frozenset(
    {
        "query",
        "files",
        "conversation_id",
        "dialogue_count",
        "user_id",
        "app_id",
        "workflow_id",
        "workflow_run_id",
        "timestamp",
    }
)
FAILURE_OUTPUTS = frozenset({"error_message", "error_type"})
ERROR, WARNING = "error", "warning"
# Without these there is no graph to run; other errors are for publishing to refuse.
FATAL = frozenset(
    {"node_without_id", "duplicate_node", "no_start", "cycle", "dangling_edge", "unknown_kind"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """`nodes` names all concerned, `node_id` the first of them. `code` is stable."""

    code: str
    message: str
    node_id: str = ""
    nodes: tuple[str, ...] = ()
    severity: str = ERROR


class InvalidGraph(ValueError):
    """The definition cannot be run; `faults` says why."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


def check(definition: Mapping[str, Any], shapes: Shapes = NO_SHAPES) -> list[Fault]:
    """Every fault of a definition; never raises. `shapes` are the kinds that can be run."""
    return list(_Check(definition, shapes).faults())


def require_runnable(definition: Mapping[str, Any], shapes: Shapes) -> None:
    """Raise InvalidGraph for faults that leave nothing to run."""
    if fatal := [fault for fault in check(definition, shapes) if fault.code in FATAL]:
        raise InvalidGraph(fatal)


class _Check:
    def __init__(self, definition: Mapping[str, Any], shapes: Shapes) -> None:
        self.definition = definition
        self.shapes = shapes
        self.raw = [node for node in definition.get("nodes") or () if isinstance(node, Mapping)]
        self.nodes = {str(node["id"]): node for node in self.raw if node.get("id")}
        self.edges = [edge for edge in definition.get("edges") or () if isinstance(edge, Mapping)]
        self.next: dict[str, list[str]] = {key: [] for key in self.nodes}
        for edge in self.edges:
            if edge.get("source") in self.nodes and edge.get("target") in self.nodes:
                self.next[edge["source"]].append(edge["target"])

    def faults(self) -> Iterator[Fault]:
        yield from self._ids()
        yield from self._kinds()
        yield from self._edges()
        yield from self._starts()
        for circle in circles(self.nodes, self.next):
            names = " -> ".join((*circle, circle[0]))
            yield Fault("cycle", f"The flow runs in a circle: {names}", circle[0], tuple(circle))
        yield from self._reach()
        yield from self._references()

    def _ids(self) -> Iterator[Fault]:
        for index, node in enumerate(self.raw):
            if not node.get("id"):
                yield Fault("node_without_id", f"Node {index + 1} has no id")
        counts = Counter(str(node["id"]) for node in self.raw if node.get("id"))
        for node_id, count in counts.items():
            if count > 1:
                yield Fault("duplicate_node", f"{count} nodes have the id {node_id}", node_id)

    def _kinds(self) -> Iterator[Fault]:
        for node_id, node in self.nodes.items():
            if self.shapes and node.get("type") not in self.shapes:
                yield Fault("unknown_kind", f"Unknown node kind {node.get('type')!r}", node_id)

    def _edges(self) -> Iterator[Fault]:
        for edge in self.edges:
            source, target = str(edge.get("source")), str(edge.get("target"))
            for end in (source, target):
                if end not in self.nodes:
                    message = f"The edge {source} -> {target} leads to no node {end}"
                    yield Fault("dangling_edge", message, source, (source, target))
            handle = edge.get("sourceHandle") or SOURCE
            handles = self._handles(source)
            if handles is not None and handle not in handles:
                message = f"{source} has no exit {handle!r}; the edge to {target} never fires"
                yield Fault("unknown_handle", message, source, (source, target), WARNING)

    def _handles(self, node_id: str) -> frozenset[str] | None:
        node = self.nodes.get(node_id)
        if node is None or node.get("type") not in self.shapes:
            return None
        shape, data = self._shape(node), node.get("data") or {}
        known = shape.handles(data) if shape.branch else frozenset({SOURCE})
        if known is not None and data.get("error_strategy") == FAIL_BRANCH:
            known |= {FAIL_BRANCH}
        return known

    def _shape(self, node: Mapping[str, Any]) -> Shape:
        return self.shapes.get(str(node.get("type")), PLAIN)

    def _start_ids(self) -> list[str]:
        return [
            key for key, node in self.nodes.items() if node.get("type") in STARTS and _outer(node)
        ]

    def _starts(self) -> Iterator[Fault]:
        starts = self._start_ids()
        if not starts:
            yield Fault("no_start", "The flow has no start node")
        for node_id in starts[1:]:
            yield Fault("second_start", f"{node_id} is a second start node", node_id)

    def _reach(self) -> Iterator[Fault]:
        stack, seen = self._start_ids(), set(self._start_ids())
        while stack:
            for target in self.next[stack.pop()]:
                if target not in seen:
                    seen.add(target)
                    stack.append(target)
        for node_id, node in self.nodes.items():
            if seen and node_id not in seen and _outer(node):
                message = f"{node_id} is never reached"
                yield Fault("unreachable", message, node_id, (node_id,), WARNING)

    def _references(self) -> Iterator[Fault]:
        known = (*self.nodes, *SCOPES)
        for node_id, node in self.nodes.items():
            for ref in dict.fromkeys(reads_of(node.get("data") or {}, known)):
                if why := self._why_missing(ref):
                    message = f"{node_id} refers to {ref}: {why}"
                    yield Fault("missing_reference", message, node_id, (node_id, ref.path[0]))

    def _why_missing(self, ref: Ref) -> str:
        owner, name = ref.path[0], ref.path[1]
        if (node := self.nodes.get(owner)) is None:
            return self._why_not_in_scope(owner, name)
        outputs = self._shape(node).outputs(node.get("data") or {})
        if outputs is None or name in outputs or name in FAILURE_OUTPUTS:
            return ""
        return f"the node has no output {name}"

    def _why_not_in_scope(self, owner: str, name: str) -> str:
        if owner not in SCOPES:
            return "there is no such node"
        if owner == "rag":
            return ""
        key = {"env": "environment"}.get(owner, owner)
        names = (
            SYSTEM if owner == "sys" else {v.get("name") for v in self.definition.get(key) or ()}
        )
        return "" if name in names else f"there is no such variable in {owner}"


def _outer(node: Mapping[str, Any]) -> bool:
    return not node.get("parent")
