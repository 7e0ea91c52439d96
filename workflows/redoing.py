"""Which steps of a run fall away when a part of it is done again, and which stay.

Reads only. A step belongs to the event that told of its settling: both were committed together and
in the same order, so the last steps of a node go with its last such events. Steps without one were
taken over from another run, before the first event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from workflows.engine.graph import Graph
from workflows.engine.records import StepStatus
from workflows.engine.scheduler import Frontier
from workflows.models import Event, Run, Step

SETTLING = ("node.succeeded", "node.failed", "node.exception", "node.skipped")
DROPPING = ("run.retried", "run.reset")
"""Events that name in `dropped` the numbers of the events whose steps fell away."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A step as far as the frontier is concerned."""

    pk: int
    node_id: str
    iteration: str
    status: str
    handle: str

    @property
    def failed(self) -> bool:
        return self.status == StepStatus.FAILED

    @property
    def place(self) -> tuple[str, str]:
        return self.node_id, self.iteration


def settled_of(run: Run) -> list[Settled]:
    """In the order they were committed."""
    rows = Step.objects.filter(run=run).order_by("pk")
    return [Settled(*row) for row in rows.values_list(*Settled.__slots__)]


def frontier_of(graph: Graph, steps: Iterable[Settled]) -> Frontier:
    """Where a run with these steps goes on; `ready` are the nodes that would run, or do."""
    frontier = Frontier(graph)
    frontier.begin()
    for step in steps:
        if not step.failed and not step.iteration and step.node_id in frontier.ready:
            frontier.settle(step.node_id, step.handle)
    return frontier


def inside(graph: Graph, containers: Collection[str]) -> set[str]:
    """The nodes in these containers, however deep."""
    found: set[str] = set()
    wave = set(containers)
    while wave:
        wave = {key for key, node in graph.nodes.items() if node.parent in wave} - found
        found |= wave
    return found


def after(graph: Graph, node_id: str) -> set[str]:
    """Every node that an edge leads to from here, directly or not; without itself."""
    found: set[str] = set()
    stack = [node_id] if node_id in graph.out else []
    while stack:
        for edge in graph.out[stack.pop()]:
            if edge.target not in found:
                found.add(edge.target)
                stack.append(edge.target)
    return found - {node_id}


def behind(graph: Graph, node_id: str) -> set[str]:
    """A node, what follows it, and all that is in the containers among them."""
    found = {node_id} | after(graph, node_id)
    return found | inside(graph, found)


def to_retry(graph: Graph, steps: Iterable[Settled]) -> list[Settled]:
    """What a retry does again: the failed steps.

    Where none is, the handled failures with all that came of them.
    """
    steps = list(steps)
    if failed := [step for step in steps if step.failed]:
        return failed
    handled = [step for step in steps if step.status == StepStatus.EXCEPTION]
    marks = {mark for step in handled for mark in _redone_with(graph, *step.place)}
    return [step for step in steps if any(_meets(step, mark) for mark in marks)]


Mark = tuple[str, str, bool]
"""A node, an iteration, and whether what is deeper inside the iteration is meant, too."""


def _redone_with(graph: Graph, node_id: str, iteration: str) -> Iterator[Mark]:
    yield node_id, iteration, False
    later = after(graph, node_id)
    for each in later:
        yield each, iteration, False
    for each in inside(graph, later):
        yield each, iteration, True
    node = graph.nodes.get(node_id)
    if node is not None and node.parent:
        yield from _redone_with(graph, node.parent, iteration.rpartition(".")[0])


def _meets(step: Settled, mark: Mark) -> bool:
    node_id, iteration, deeper = mark
    if step.node_id != node_id:
        return False
    if not deeper:
        return step.iteration == iteration
    return not iteration or step.iteration.startswith(f"{iteration}.")


@dataclass(frozen=True, slots=True)
class History:
    """The numbers of the settling events whose steps are (or were) there, by node, in order."""

    alive: dict[str, list[int]]
    then: set[int]
    """Those of steps that were there, and not failed, right after the event that was asked for."""
    nodes: dict[int, str]


def history_of(run: Run, upto: int = 0) -> History:
    """Of the run as it is now, with a look at how it was after the event `upto`."""
    rows = Event.objects.filter(run=run, kind__in=(*SETTLING, *DROPPING)).order_by("seq")
    events = list(rows)
    alive, failed = _alive([event for event in events if event.seq <= upto])
    then = {seq for found in alive.values() for seq in found} - failed
    alive, _ = _alive(events)
    return History(alive, then, {event.seq: event.node_id for event in events})


def _alive(events: Iterable[Event]) -> tuple[dict[str, list[int]], set[int]]:
    """By node the numbers whose steps were there after these events; and those of failures."""
    alive: dict[str, list[int]] = defaultdict(list)
    failed: set[int] = set()
    for event in events:
        if event.kind in DROPPING:
            _drop(alive, set(event.data.get("dropped", ())))
            continue
        alive[event.node_id].append(event.seq)
        if event.kind == "node.failed" and not event.data.get("handled"):
            failed.add(event.seq)
    return dict(alive), failed


def _drop(alive: dict[str, list[int]], dropped: set[int]) -> None:
    for node_id, found in alive.items():
        alive[node_id] = [seq for seq in found if seq not in dropped]


def numbers_of(steps: Iterable[Settled], history: History) -> dict[int, int]:
    """By step, the number of the event that told of it; 0 for one that was taken over."""
    by_node: dict[str, list[Settled]] = defaultdict(list)
    for step in steps:
        by_node[step.node_id].append(step)
    found: dict[int, int] = {}
    for node_id, rows in by_node.items():
        seqs = history.alive.get(node_id, [])[-len(rows) :]
        copies = len(rows) - len(seqs)
        found |= {row.pk: 0 for row in rows[:copies]}
        found |= {row.pk: seq for row, seq in zip(rows[copies:], seqs, strict=True)}
    return found
