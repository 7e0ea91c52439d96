"""Where a run stands: what settled, what is ready, what its variables are, and its next change."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from workflows.engine.graph import Graph
from workflows.engine.pool import Pool
from workflows.engine.records import Event, RunState, Step, StepStatus
from workflows.engine.stream import Stream
from workflows.mocks import Mocks
from workflows.nodes.base import ContainerKind, NodeContext, NodeFailed, Outcome
from workflows.nodes.services import Services
from workflows.runner.attempting import ASSIGNED, Attempting, Try
from workflows.runner.buffer import Buffer, Place
from workflows.runner.compiled import Compiled, assigned, compiled, templates
from workflows.runner.frames import Frame, Frames, Open
from workflows.runner.redaction import masked, masked_event, masked_line, secrets_of
from workflows.runner.shapes import Journal, Limits, RunTask


class Ended(Exception):
    """The run is over or stopped before its frontier is empty."""

    def __init__(self, state: RunState, code: str = "", message: str = "", node: str = "") -> None:
        super().__init__(message)
        self.state = state
        self.cause = {"code": code, "message": message, "node_id": node} if code else None


EMPTY = NodeFailed("There is nothing in it", code="empty_container", retryable=False)


class Standing:
    """`drop` is told of rounds that are over while something may still be at work in them."""

    def __init__(
        self,
        task: RunTask,
        journal: Journal,
        services: Services,
        *,
        graph: Graph,
        limits: Limits,
        mocks: Mocks | None,
    ) -> None:
        self.task, self.journal, self.services = task, journal, services
        self.graph, self.limits, self.mocks = graph, limits, mocks
        self.nodes = compiled(graph)
        self.secrets = secrets_of(graph)
        self.frames = Frames(graph, _pool_of(task, graph), self._open)
        self.root = self.frames.root
        self.offset = 0
        self.stream = Stream(graph, templates(graph), self.root.pool, _unheard, assigned(graph))
        self.steps: list[Step] = []
        """Those of the flow itself and the answers inside of containers, in order."""
        self.faulty = False
        """A failure inside of a container was handled."""
        self.count = 0
        """Of the steps inside containers."""
        self.ready: deque[tuple[Frame, str]] = deque()
        self.tries: dict[Place, Try] = {}
        self.buffer = Buffer()
        self.cleaning = False
        self.replaying = False
        self.drop: Callable[[list[Frame]], None] = _nobody

    # -- taking up

    def restore(self) -> None:
        """Take up the committed steps; text they led to has been heard already."""
        task = self.task
        fresh = not task.steps and not task.waits
        self.root.frontier.begin()
        if not fresh:
            self.stream.begin()
        self.replaying = True
        for step in task.steps:
            frame = self.frames.of(self.graph.nodes[step.node_id], step.iteration)
            if frame is self.frames.cleanup and not self.cleaning:
                self.begin_cleanup()
            if frame is not None and not frame.over:
                self._move(frame, step)
        self.replaying = False
        if fresh or task.signals or not task.waits:
            self.buffer.event("run.started" if fresh else "run.resumed")
        self.ready.clear()
        resting = {(wait.node_id, wait.iteration) for wait in task.waits}
        self._find_ready(resting)
        self.stream.publish = self._publish
        if fresh:
            self.stream.begin()
        for opened in list(self.frames.opens.values()):
            self._close_if_done(opened)

    def _find_ready(self, resting: set[Place]) -> None:
        frames = [self.frames.cleanup] if self.cleaning else list(self.frames.live())
        for frame in frames:
            for key in frame.frontier.ready:
                place = key, frame.path
                if place not in resting and place not in self.frames.opens:
                    self.ready.append((frame, key))

    def begin_cleanup(self) -> None:
        """From here on only the clean-up branch counts."""
        if self.cleaning:
            return
        self.cleaning = True
        self.ready.clear()
        frame = self.frames.cleanup
        frame.frontier.ready[self.graph.cleanup] = None
        self.ready.append((frame, self.graph.cleanup))

    def _publish(self, node_id: str, text: str) -> None:
        self.journal.publish("delta", {"node_id": node_id, "text": text, "offset": self.offset})
        self.offset += len(text)

    # -- moving on

    def settle(self, frame: Frame, step: Step) -> None:
        """A node has settled. Raises Ended when that ends the run."""
        step = masked(step, self.secrets)
        self.note_step(step)
        if frame.over:
            return
        self.buffer.urgent = self.buffer.urgent or self.nodes[step.node_id].kind.effect
        self.tries.pop((step.node_id, step.iteration), None)
        self._move(frame, step)
        if step.status == StepStatus.FAILED and frame.container is None:
            raise Ended(RunState.FAILED, step.error_code, step.error, step.node_id)
        self._count(step)

    def note_step(self, step: Step) -> None:
        self.buffer.steps.append(step)
        self.buffer.events.append(_event_of(step))

    def _count(self, step: Step) -> None:
        if len(self.steps) > self.limits.steps + self.count or self.count > self.limits.inner:
            most = self.limits.inner if self.count > self.limits.inner else self.limits.steps
            message = f"The run took more than {most} steps"
            raise Ended(RunState.FAILED, "too_many_steps", message, step.node_id)

    def _move(self, frame: Frame, step: Step) -> None:
        """Its outputs count, the frontier and the text move on; a round may be over."""
        place = step.node_id, step.iteration
        if place in self.frames.opens:
            self.frames.close(place)
        if frame.container is None:
            self.steps.append(step)
        else:
            self._note_inner(step)
        failed = step.status == StepStatus.FAILED
        if not failed:
            self._see(frame, step)
            moves = frame.frontier.settle(step.node_id, step.handle)
            if frame is self.root:
                self.stream.follow(moves.taken, moves.skip)
            self.ready.extend((frame, key) for key in moves.start)
        if frame.container is not None:
            broke = not failed and self.nodes[step.node_id].kind.breaks
            if failed or broke or not frame.frontier.ready:
                self._end_round(frame, failure=step if failed else None, broke=broke)

    def _note_inner(self, step: Step) -> None:
        self.count += 1
        self.faulty = self.faulty or step.status in {StepStatus.FAILED, StepStatus.EXCEPTION}
        if self.graph.nodes[step.node_id].response:
            self.steps.append(step)

    def _see(self, frame: Frame, step: Step) -> None:
        frame.pool.put(step.node_id, step.outputs)
        for row in step.outputs.get(ASSIGNED) or ():
            frame.pool.assign(row["scope"], row["name"], row["value"])
        if frame is self.root:
            self.stream.settle(step.node_id, step.outputs)

    # -- containers

    def open(self, frame: Frame, key: str) -> None:
        """Begin a container that is ready."""
        opened = self._open(frame, key)
        if opened is None:
            return
        self.buffer.events.append(self.started_event(frame, key))
        self._close_if_done(opened)

    def _open(self, frame: Frame, key: str) -> Open | None:
        found, started = self.nodes[key], datetime.now(UTC)
        attempting = self.attempting(frame, found)
        assert isinstance(found.kind, ContainerKind)  # nosec B101 # noqa: S101 - asked before
        try:
            found.require()
            if not self.graph.inside(key).start:
                raise EMPTY
            rounds = found.kind.open(attempting.context, found.config)
        except NodeFailed as failure:
            if not self.replaying:
                self.settle(frame, attempting.failed(started, failure))
            return None
        opened = Open(frame, key, rounds, started)
        self.frames.opens[opened.place] = opened
        self._launch(opened, rounds.first())
        return opened

    def _launch(self, opened: Open, indexes: range) -> None:
        for index in indexes:
            if opened.rounds.outcome is not None:
                return
            frame = self.frames.launch(opened, index)
            self.ready.extend((frame, key) for key in frame.frontier.ready)
            if not frame.frontier.ready:  # nothing in it
                self._end_round(frame)

    def _end_round(self, frame: Frame, *, failure: Step | None = None, broke: bool = False) -> None:
        opened = frame.container
        if opened is None or frame.over:
            return
        more = opened.rounds.ended(frame.index, failure=failure, broke=broke)
        whole = opened.rounds.outcome is not None
        over = self.frames.within(opened.place) if whole else self.frames.inside(frame)
        self.frames.drop(over)
        if not self.replaying:
            self.drop(over)
        self._launch(opened, more)
        if not self.replaying:
            self._close_if_done(opened)

    def _close_if_done(self, opened: Open) -> None:
        result = opened.rounds.outcome
        if result is None or self.frames.opens.get(opened.place) is not opened:
            return
        attempting = self.attempting(opened.frame, self.nodes[opened.node_id])
        if isinstance(result, Outcome):
            step = attempting.done(opened.started, result)
        else:
            step = attempting.failed(opened.started, result)
        self.settle(opened.frame, step)

    # -- one node

    def attempting(self, frame: Frame, found: Compiled) -> Attempting:
        node_id, root = found.node.id, frame is self.root
        known = self.tries.get((node_id, frame.path))
        context = NodeContext(
            run=self.task,
            node=found.node,
            pool=frame.pool,
            services=self.services,
            stream=(lambda name, piece: self.stream.feed(node_id, name, piece))
            if root
            else _unheard,
            iteration=frame.path,
            attempt=known.attempt if known else 1,
            write=lambda line: self.buffer.logs.append(masked_line(line, self.secrets)),
        )
        return Attempting(
            found,
            context,
            self._note,
            lambda: self.stream.restart(node_id),
            self.limits.value,
            self.mocks,
            known.started if known else None,
        )

    def instant(self, found: Compiled) -> bool:
        return bool(self.mocks and self.mocks.instant(found.node.id, found.policy))

    def stood_in(self, found: Compiled) -> bool:
        """Whether mocks answer in place of a container."""
        return bool(self.mocks and found.node.id in self.mocks.node_outputs)

    def _note(self, event: Event) -> None:
        self.buffer.events.append(masked_event(event, self.secrets))

    def started_event(self, frame: Frame, key: str) -> Event:
        node = self.nodes[key].node
        data = {"kind": node.kind, "title": node.title}
        return Event("node.started", key, data | _round(frame.path))


def _pool_of(task: RunTask, graph: Graph) -> Pool:
    pool = Pool(compat=graph.compat)
    pool.put("sys", task.system)
    pool.put("env", {str(item["name"]): item.get("value") for item in graph.environment})
    conversation = {str(item["name"]): item.get("value") for item in graph.conversation}
    pool.put("conversation", conversation | dict(task.system.get("conversation") or {}))
    return pool


def _round(path: str) -> dict[str, Any]:
    return {"iteration": path} if path else {}


def _unheard(*_: str) -> None:
    """Text while the steps are taken up again, and of rounds, goes nowhere."""


def _nobody(_: list[Frame]) -> None:
    """Nothing is at work yet."""


def _event_of(step: Step) -> Event:
    data: dict[str, Any] = {
        "kind": step.kind,
        "attempts": step.attempts,
        "duration_ms": round((step.ended_at - step.started_at).total_seconds() * 1000),
    } | _round(step.iteration)
    if step.status in {StepStatus.SUCCEEDED, StepStatus.SKIPPED}:
        if step.cost or step.usage:
            data |= {"usage": step.usage, "cost": step.cost}
        return Event(f"node.{step.status}", step.node_id, data | {"handle": step.handle})
    handled = step.status == StepStatus.EXCEPTION
    data |= {"error": step.error, "code": step.error_code, "handled": handled}
    return Event("node.failed", step.node_id, data)
