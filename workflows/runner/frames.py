"""Where a run stands: the flow itself, and a frame for each round of a container at work.

A place is named by its node and by the rounds it stands in: item 3 of an iteration is "3", round 0
of a loop inside of it "3.0". Frames are rebuilt from committed steps in the order of their commit,
by the same moves that made them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from workflows.engine.graph import Graph, Node
from workflows.engine.pool import Pool
from workflows.engine.scheduler import Frontier
from workflows.nodes.base import Rounds
from workflows.runner.buffer import Place


@dataclass(slots=True, eq=False)
class Frame:
    """One pass through a graph. `over`: whatever still comes from it counts for nothing."""

    graph: Graph
    pool: Pool
    frontier: Frontier
    path: str = ""
    container: "Open | None" = None
    index: int = 0
    over: bool = False


@dataclass(slots=True, eq=False)
class Open:
    """A container at work, inside of `frame`."""

    frame: Frame
    node_id: str
    rounds: Rounds
    started: datetime

    @property
    def place(self) -> Place:
        return self.node_id, self.frame.path


class Frames:
    """All frames of a run. `open_container` begins one; it may end at once and be forgotten."""

    def __init__(
        self, graph: Graph, pool: Pool, open_container: Callable[[Frame, str], "Open | None"]
    ) -> None:
        self._graph = graph
        self._open_container = open_container
        self.root = Frame(graph, pool, Frontier(graph))
        self.cleanup = Frame(graph, pool, Frontier(graph))
        self.opens: dict[Place, Open] = {}
        self._closed: set[Place] = set()
        self._rounds: dict[Place, Frame] = {}
        self._nested = any(
            node.parent and graph.nodes[node.parent].parent
            for node in graph.nodes.values()
            if node.parent in graph.nodes
        )

    def launch(self, opened: Open, index: int) -> Frame:
        """Begin a round; what may run in it is ready in its frontier."""
        outer = opened.frame.path
        graph = self._graph.inside(opened.node_id)
        frame = Frame(
            graph,
            opened.rounds.pool(index),
            Frontier(graph),
            path=f"{outer}.{index}" if outer else str(index),
            container=opened,
            index=index,
        )
        frame.frontier.begin()
        self._rounds[opened.node_id, frame.path] = frame
        return frame

    def drop(self, frames: list[Frame]) -> None:
        """These rounds are over, and so are the containers in them."""
        for frame in frames:
            frame.over = True
            if frame.container:
                self._rounds.pop((frame.container.node_id, frame.path), None)
        if len(frames) > 1 or self._nested:
            self.opens = {key: found for key, found in self.opens.items() if not found.frame.over}

    def close(self, place: Place) -> None:
        """The container has settled: its rounds are history."""
        self.opens.pop(place, None)
        self._closed.add(place)
        self.drop(self.within(place))

    def within(self, place: Place) -> list[Frame]:
        """The rounds of a container, and those of the containers in them."""
        return [
            frame
            for frame in self._rounds.values()
            if any(outer.place == place for outer in _containers(frame))
        ]

    def inside(self, frame: Frame) -> list[Frame]:
        """A round, and those of the containers in it."""
        if not self._nested:
            return [frame]
        inner = self._rounds.values()
        return [
            found
            for found in inner
            if found is frame or any(outer.frame is frame for outer in _containers(found))
        ]

    def live(self) -> Iterator[Frame]:
        yield self.root
        yield self.cleanup
        yield from list(self._rounds.values())

    def of(self, node: Node, path: str) -> Frame | None:
        """The frame of a place; None when that round is over and gone."""
        if not node.parent:
            return self.cleanup if node.id in self._graph.cleaners else self.root
        known = self._rounds.get((node.parent, path))
        if known is None and self._reopen(node.parent, path.rpartition(".")[0]):
            known = self._rounds.get((node.parent, path))
        return known

    def _reopen(self, container: str, path: str) -> bool:
        place = container, path
        if place in self._closed or place in self.opens or container not in self._graph.nodes:
            return False
        outer = self.of(self._graph.nodes[container], path)
        if outer is None or outer.over or container not in outer.frontier.ready:
            return False
        return self._open_container(outer, container) is not None


def _containers(frame: Frame) -> Iterator[Open]:
    """Those that a frame stands in, from the inside out."""
    inner: Frame | None = frame
    while inner is not None and inner.container is not None:
        yield inner.container
        inner = inner.container.frame
