"""Checks of the graph as a whole: where it begins, whether it ends, what can be reached."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from workflows.dify.flow import Flow
from workflows.dify.kinds import INNER_STARTS, TRIGGERS
from workflows.dify.report import Place


def check_topology(flow: Flow) -> None:
    _check_starts(flow)
    _check_endings(flow)
    following = _following(flow)
    for circle in cycles(flow.nodes, following):
        first = flow.nodes[circle[0]]
        flow.notes.fault("cycle", first.at(), nodes=[_name(flow, key) for key in circle])
    _check_reach(flow, following)


def _name(flow: Flow, node_id: str) -> str:
    title = flow.nodes[node_id].title
    return title if title == node_id else f"{title} ({node_id})"


def _check_starts(flow: Flow) -> None:
    starts, triggers = flow.of_kind("start"), flow.of_kind(*TRIGGERS)
    if not starts and not triggers:
        flow.notes.fault("start_missing", Place(path="workflow.graph.nodes"))
    for further in starts[1:]:
        flow.notes.fault("second_start", further.at(), id=further.id)
    if starts:
        for trigger in triggers:
            flow.notes.fault("start_and_trigger", trigger.at())


def _check_endings(flow: Flow) -> None:
    if flow.mode == "workflow" and not flow.of_kind("end"):
        flow.notes.warn("end_missing")
    if flow.mode == "advanced-chat" and not flow.of_kind("answer", "end"):
        flow.notes.warn("answer_missing")


def _following(flow: Flow) -> Mapping[str, list[str]]:
    following: dict[str, list[str]] = defaultdict(list)
    for edge in flow.edges:
        following[edge.source].append(edge.target)
    return following


def _check_reach(flow: Flow, following: Mapping[str, list[str]]) -> None:
    roots = flow.of_kind("start", *TRIGGERS, *INNER_STARTS)
    open_ids = [node.id for node in roots]
    reached = set(open_ids)
    while open_ids:
        for target in following.get(open_ids.pop(), ()):
            if target not in reached:
                reached.add(target)
                open_ids.append(target)
    for node in flow.nodes.values():
        # Without a start nothing is reached, and what is inside a container is entered by it.
        if roots and node.id not in reached and not node.parent:
            flow.notes.warn("unreachable_node", node.at())


def cycles(ids: Iterable[str], following: Mapping[str, list[str]]) -> list[list[str]]:
    """Every group of nodes that can reach each other (Tarjan's components, without recursion)."""
    search = _Components(following)
    for key in ids:
        if key not in search.index:
            search.visit(key)
    return [
        group for group in search.found if len(group) > 1 or group[0] in following.get(group[0], ())
    ]


class _Components:
    def __init__(self, following: Mapping[str, list[str]]) -> None:
        self.following = following
        self.index: dict[str, int] = {}
        self.low: dict[str, int] = {}
        self.open: list[str] = []
        self.is_open: set[str] = set()
        self.found: list[list[str]] = []

    def enter(self, key: str) -> None:
        self.index[key] = self.low[key] = len(self.index)
        self.open.append(key)
        self.is_open.add(key)

    def visit(self, root: str) -> None:
        self.enter(root)
        path = [(root, iter(self.following.get(root, ())))]
        while path:
            key, targets = path[-1]
            for target in targets:
                if target not in self.index:
                    self.enter(target)
                    path.append((target, iter(self.following.get(target, ()))))
                    break
                if target in self.is_open:
                    self.low[key] = min(self.low[key], self.index[target])
            else:
                path.pop()
                if path:
                    self.low[path[-1][0]] = min(self.low[path[-1][0]], self.low[key])
                if self.low[key] == self.index[key]:
                    self.close(key)

    def close(self, key: str) -> None:
        group: list[str] = []
        while not group or group[-1] != key:
            group.append(self.open.pop())
        self.is_open.difference_update(group)
        self.found.append(group[::-1])
