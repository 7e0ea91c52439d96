"""Text for the reader while the run goes on: Answer templates and End outputs, piece by piece.

As in Dify, one template speaks at a time, from its first piece to its last. It may begin as soon
as nothing can still turn the run away from it: a way from the start to it exists on which every
edge out of a branch, an answer or a container is taken. Of templates that may begin together the
one with the lesser id goes first. Instead of listing all such ways (their
number doubles with each diamond) the openness is spread over the graph once per edge.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from workflows.engine.graph import Edge, Graph
from workflows.engine.pool import Pool
from workflows.engine.references import Ref, Template
from workflows.engine.values import MISSING, markdown_of

Publish = Callable[[str, str], None]
"""Takes the id of the speaking node and a piece of its text."""


@dataclass(slots=True)
class _Live:
    """Text of one variable as it is being produced; `read` pieces of it have been published."""

    pieces: list[str] = field(default_factory=list)
    read: int = 0
    closed: bool = False

    def close(self, final: object) -> None:
        """Make the whole text what the node ended with, whatever was fed (a retry, a filter)."""
        self.closed = True
        if isinstance(final, str) and "".join(self.pieces) != final:
            shown = "".join(self.pieces[: self.read])
            self.pieces[self.read :] = [final.removeprefix(shown)]


class Stream:
    """Follows the run's edges and outputs, and publishes text in template order."""

    def __init__(
        self,
        graph: Graph,
        templates: Mapping[str, Template],
        pool: Pool,
        publish: Publish,
        changing: frozenset[tuple[str, ...]] = frozenset(),
    ) -> None:
        self._graph = graph
        self._templates = templates
        self._pool = pool
        self._changing = changing
        """Variables that nodes change: said when their speaker has come to its turn."""
        self._settled: set[str] = set()
        self.publish = publish
        self._open: set[str] = set()
        self._queue: deque[str] = deque()
        self._cursor = 0
        self._begun = False
        self._live: dict[tuple[str, ...], _Live] = {}
        self._skipped: set[str] = set()

    def begin(self) -> None:
        """The run starts: what no branch stands before may speak."""
        if self._templates and self._graph.start:
            self._spread(self._graph.start)
            self.flush()

    def follow(self, taken: Iterable[Edge], skipped: Iterable[str]) -> None:
        """Edges were taken and nodes skipped: templates may open, gaps may close."""
        if not self._templates:
            return
        self._skipped.update(skipped)
        for edge in taken:
            if edge.target not in self._open:
                self._spread(edge.target)
        self.flush()

    def feed(self, node_id: str, name: str, piece: str) -> None:
        """A node produced a piece of its variable `name`."""
        self._live.setdefault((node_id, name), _Live()).pieces.append(piece)
        self.flush()

    def restart(self, node_id: str) -> None:
        """The node begins anew: pieces that nobody saw are dropped."""
        for path, live in self._live.items():
            if path[0] == node_id:
                del live.pieces[live.read :]

    def settle(self, node_id: str, outputs: Mapping[str, object]) -> None:
        """The node's outputs are final; what was fed of them is completed from there."""
        if node_id in self._templates:
            self._settled.add(node_id)
        for path, live in self._live.items():
            if path[0] == node_id and not live.closed:
                live.close(outputs.get(path[1]))
        self.flush()

    def flush(self) -> None:
        """Publish all that can be said now."""
        while self._queue:
            node_id = self._queue[0]
            template = self._templates[node_id]
            while self._cursor < len(template):
                if not self._say(node_id, template[self._cursor]):
                    return
                self._cursor += 1
                self._begun = False
            self._queue.popleft()
            self._cursor = 0

    def _say(self, node_id: str, segment: str | Ref) -> bool:
        """Say one segment; False when part of it is still to come."""
        if isinstance(segment, str):
            self.publish(node_id, segment)
            return True
        if segment.path[0] in self._skipped:
            return True
        if segment.path[:2] in self._changing and node_id not in self._settled:
            return False
        if (live := self._live.get(segment.path)) is not None:
            return self._say_live(node_id, live)
        value = self._pool.get(segment.path)
        if value is MISSING:
            return False
        if text := markdown_of(value, compat=self._pool.compat):
            self.publish(node_id, text)
        return True

    def _say_live(self, node_id: str, live: _Live) -> bool:
        if live.closed and live.read == len(live.pieces) and not self._begun:
            # Dify does not say a streamed text a second time; the stored answer has it twice.
            if not self._pool.compat:
                self.publish(node_id, "".join(live.pieces))
            return True
        for piece in live.pieces[live.read :]:
            if piece:
                self.publish(node_id, piece)
        live.read = len(live.pieces)
        self._begun = True
        return live.closed

    def _spread(self, first: str) -> None:
        """Open a node and all behind it that no branch, answer or container holds back."""
        found: list[str] = []
        stack = [first]
        while stack:
            node_id = stack.pop()
            if node_id in self._open:
                continue
            self._open.add(node_id)
            if node_id in self._templates:
                found.append(node_id)
            if not self._graph.nodes[node_id].holds_back:
                stack.extend(edge.target for edge in self._graph.out[node_id])
        self._queue.extend(sorted(found))
