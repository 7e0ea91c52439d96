"""The whole import, from the bytes of a file to a definition and its report."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from workflows.dify.edges import check_handles, read_edges
from workflows.dify.envelope import read_envelope
from workflows.dify.flow import Flow
from workflows.dify.nodes import read_nodes
from workflows.dify.references import check_references
from workflows.dify.repairs import repair_nodes
from workflows.dify.report import Notes, Report
from workflows.dify.shapes import check_nodes
from workflows.dify.source import read_text
from workflows.dify.topology import check_topology
from workflows.dify.tree import plain, read_tree
from workflows.layout import lay_out

CANVAS_ONLY = frozenset(
    {"type", "title", "desc", "selected", "isInIteration", "isInLoop", "iteration_id", "loop_id"}
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file. `definition` is None exactly when the report holds faults."""

    definition: dict[str, Any] | None
    report: Report
    name: str
    description: str
    mode: str
    version: str
    icon: str


def load_flow(raw: bytes, *, name: str = "", lenient: bool = False) -> Imported:
    """Read a flow exported from Dify; never raises for what a file holds.

    `name` replaces the name in the file. With `lenient`, references to nothing are warnings: Dify
    runs such flows, and so may a trial run that stores nothing.
    """
    flow = Flow(Notes(), name=name.strip())
    text = read_text(raw, flow.notes)
    tree = read_tree(text, flow.notes) if text is not None else None
    if text is not None and (tree is not None or not flow.notes.faults):
        _read(flow, tree, lenient=lenient)
    definition = None if flow.notes.faults else _definition(flow)
    kinds = Counter(node.kind for node in flow.nodes.values())
    report = flow.notes.finish(kinds, len(flow.edges))
    return Imported(
        definition, report, flow.name, flow.description, flow.mode, flow.version, flow.icon
    )


def _read(flow: Flow, tree: Any, *, lenient: bool) -> None:
    graph = read_envelope(flow, tree)
    if graph is None:
        return
    read_nodes(flow, graph)
    if not flow.nodes:
        return
    read_edges(flow, graph)
    repair_nodes(flow)
    check_nodes(flow)
    check_handles(flow)
    check_topology(flow)
    check_references(flow, lenient=lenient)
    flow.notes.name_nodes((node.line, node.last, node.id) for node in flow.nodes.values())


def _definition(flow: Flow) -> dict[str, Any]:
    """The stored form, see the engine's graph: plain JSON values only."""
    positions = _positions(flow)
    nodes = []
    for node in flow.nodes.values():
        data = {key: value for key, value in node.data.items() if key not in CANVAS_ONLY}
        entry: dict[str, Any] = {
            "id": node.id,
            "type": node.kind,
            "title": node.title,
            "position": positions[node.id],
            "data": plain(data),
        }
        nodes.append(entry | ({"parent": node.parent} if node.parent else {}))
    edges = [
        {"id": edge.id, "source": edge.source, "target": edge.target, "sourceHandle": edge.handle}
        for edge in flow.edges
    ]
    return {
        "mode": flow.mode,
        "compat": True,
        "nodes": nodes,
        "edges": edges,
        "environment": flow.environment,
        "conversation": flow.conversation,
        "features": flow.features,
    }


def _positions(flow: Flow) -> dict[str, dict[str, float]]:
    """Where the file put the nodes; all laid out anew when it left any out or heaped them up."""
    given = {node.id: node.position for node in flow.nodes.values() if node.position}
    spots = {(spot["x"], spot["y"]) for spot in given.values()}
    if len(given) == len(flow.nodes) and (len(spots) > 1 or len(given) < 2):
        return given
    layout = lay_out(
        [{"id": node_id} for node_id in flow.nodes],
        [{"source": edge.source, "target": edge.target} for edge in flow.edges],
    )
    flow.notes.repair("positions", before=len(given), after=len(flow.nodes))
    return {key: {"x": spot.x, "y": spot.y} for key, spot in layout.positions.items()}
