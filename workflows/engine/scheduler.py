"""What happens next. A run's frontier moves by settled nodes alone, so it can be rebuilt from them.

Join rule (Dify's): a node starts when each edge into it is either taken or skipped and at least
one is taken; it is skipped when all are. A node that is never reached leaves its edges open, and
what waits for them never starts: the run then ends with what it has.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from workflows.engine.graph import SOURCE, Edge, Graph


@dataclass(frozen=True, slots=True)
class Moves:
    """What settling a node led to, in order. `taken` are the edges that fired."""

    start: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    taken: tuple[Edge, ...] = ()


NO_MOVES = Moves()


class Frontier:
    """The open edge of a run. Settling a node costs its degree and that of what it skips."""

    __slots__ = ("_fired", "_graph", "_unknown", "ready")

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._unknown = dict(graph.incoming)
        self._fired: set[str] = set()
        self.ready: dict[str, None] = {}
        """Nodes that may run (or are running) and have not settled, in the order they came up."""

    def begin(self) -> Moves:
        start = self._graph.start
        if not start:
            return NO_MOVES
        self.ready[start] = None
        return Moves(start=(start,))

    def settle(self, node_id: str, handle: str = SOURCE) -> Moves:
        """A node has ended with `handle`. Raises KeyError when it was not ready."""
        del self.ready[node_id]
        edges = self._graph.out[node_id]
        branch = self._graph.nodes[node_id].branch
        taken = tuple(edge for edge in edges if not branch or edge.handle == handle)
        start: list[str] = []
        skip: list[str] = []
        if len(taken) < len(edges):
            # Skips go first, as in Dify: they may free a join before this node's own edges do.
            self._skip((edge for edge in edges if edge.handle != handle), start, skip)
        for edge in taken:
            self._fired.add(edge.target)
            if self._arrived(edge.target):
                start.append(edge.target)
        self.ready.update(dict.fromkeys(start))
        return Moves(tuple(start), tuple(skip), taken)

    def _arrived(self, node_id: str) -> bool:
        self._unknown[node_id] -= 1
        return self._unknown[node_id] == 0

    def _skip(self, edges: Iterable[Edge], start: list[str], skip: list[str]) -> None:
        queue = deque(edges)
        while queue:
            target = queue.popleft().target
            if not self._arrived(target):
                continue
            if target in self._fired:
                start.append(target)
            else:
                skip.append(target)
                queue.extend(self._graph.out[target])


def replay(graph: Graph, settled: Iterable[tuple[str, str]]) -> Frontier:
    """The frontier after these nodes have settled with these handles, in any causal order."""
    frontier = Frontier(graph)
    frontier.begin()
    for node_id, handle in settled:
        frontier.settle(node_id, handle)
    return frontier
