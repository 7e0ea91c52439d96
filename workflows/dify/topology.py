"""Checks of the graph as a whole: where it begins, whether it ends, what can be reached."""

from collections import defaultdict
from collections.abc import Mapping

from workflows.dify.flow import Flow
from workflows.dify.kinds import INNER_STARTS, TRIGGERS
from workflows.dify.report import Place
from workflows.engine.circles import circles


def check_topology(flow: Flow) -> None:
    _check_starts(flow)
    _check_endings(flow)
    following = _following(flow)
    for circle in circles(flow.nodes, following):
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
