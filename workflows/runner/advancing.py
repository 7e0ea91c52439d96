"""Advancing one run from where its committed steps left it until it ends, rests or is stopped.

What is durable when: steps of pure nodes are buffered and ride in the next change; an effect
starts only after the change that precedes it is durable; an effect's own step is committed as soon
as it settled, together with all that follows from it at once and the start of the next effects.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from core.jsonsafe import json_size
from workflows.engine.checks import InvalidGraph
from workflows.engine.records import Change, Event, RunState, Step
from workflows.engine.results import outputs_of, state_of
from workflows.mocks import Mocks
from workflows.nodes.base import NodeFailed, Waiting
from workflows.nodes.services import Services
from workflows.runner.compiled import graph_of, most_parallel, reads
from workflows.runner.frames import Frame
from workflows.runner.redaction import masked
from workflows.runner.shapes import Journal, Limits, Outside, RunTask
from workflows.runner.standing import Ended, Standing
from workflows.runner.waits import Waits

CANCEL, PAUSE = "cancel", "pause"
NO_REST = NodeFailed(
    "A cancelled run cannot wait for anybody", code="no_waiting_while_cancelling", retryable=False
)
YIELD_EVERY = 32
DEFAULT_LIMITS = Limits()
Control = Callable[[], str]


async def advance(
    task: RunTask,
    journal: Journal,
    services: Services,
    *,
    mocks: Mocks | None = None,
    control: Control | None = None,
    outside: Outside | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> RunState:
    """Run until the end, a wait or a stop; returns the state the run was left in.

    RUNNING means that the run was fenced: somebody else has it now. A failing node fails the run,
    it never raises; what the journal raises passes through, with all work of this run cancelled.
    """
    try:
        graph = graph_of(mocks.patched(task.definition) if mocks else task.definition)
    except InvalidGraph as error:
        return await _refuse(journal, error)
    if mocks:
        mocks, services = mocks.reading(reads(graph)), mocks.services(services)
    standing = Standing(task, journal, services, graph=graph, limits=limits, mocks=mocks)
    outside = outside or Outside()
    run = _Advance(standing, outside, control or (lambda: outside.control))
    try:
        return await run.go()
    except _Fenced:
        return RunState.RUNNING
    finally:
        outside.heard = None
        await run.cancel_tasks()


async def _refuse(journal: Journal, error: InvalidGraph) -> RunState:
    cause = {"code": "invalid_graph", "message": str(error), "node_id": ""}
    event = Event("run.failed", data={"error": cause})
    change = Change(events=(event,), state=RunState.FAILED, error=cause)
    return RunState.FAILED if await journal.commit(change) else RunState.RUNNING


class _Fenced(Exception):
    """Another worker owns the run."""


class _Advance:
    def __init__(self, standing: Standing, outside: Outside, control: Control) -> None:
        self.at = standing
        self.limits = standing.limits
        self.buffer = standing.buffer
        self.most = most_parallel(standing.graph, self.limits.parallel)
        self.control = control
        self.waits = Waits(standing, outside)
        self.queue: deque[tuple[Frame, str]] = deque()
        """Effects that are ready, in order, as long as others keep them from starting."""
        self.tasks: dict[asyncio.Task[None], tuple[Frame, str]] = {}
        self.settled: deque[tuple[Frame, str, Step | Waiting | BaseException]] = deque()
        self.wake = asyncio.Event()
        outside.heard = self.wake.set
        standing.drop = self._drop
        self.deadline = _deadline(standing.task, self.limits)
        self.pausing = False
        self.stopping = False
        """It was cancelled, and only its clean-up goes on."""

    async def go(self) -> RunState:
        try:
            self.at.restore()
            self._check_control()
            if not self.pausing:
                await self.waits.resume()
            await self._work()
        except Ended as end:
            if end.state is RunState.CANCELLED:
                return await self._cancel()
            return await self._end(end.state, end.cause)
        if self.pausing and (self.at.ready or self.queue or self.waits):
            self.buffer.event("run.paused")
            return await self._end(RunState.PAUSED, None)
        if self.waits:
            self.buffer.event("run.waiting")
            return await self._end(RunState.WAITING, None)
        state = RunState.PARTIAL if self.at.faulty else state_of(self.at.graph, self.at.steps)
        return await self._end(state, None)

    # -- the work

    async def _work(self) -> None:
        while True:
            await self._run_pure()
            self._check_control()
            starting = [] if self.pausing else self._next_effects()
            if not (starting or self.tasks or self.settled or self._stays_awake()):
                return  # what is buffered goes with the end
            for frame, key in starting:
                self.buffer.events.append(self.at.started_event(frame, key))
            if starting or self.buffer.urgent:
                await self._flush()
            for frame, key in starting:
                self._spawn(frame, key)
            await self._await_settled()
            self._take_settled()
            if not self.pausing:
                await self.waits.resume()

    async def _run_pure(self) -> None:
        """Run all that is ready and pure, in order; effects that come up are queued."""
        while self.at.ready and not self.pausing:
            await self._run_ready()
            if self.waits.fresh:
                await self.waits.resume()

    async def _run_ready(self) -> None:
        count = 0
        at = self.at
        while at.ready and not self.pausing:
            frame, key = at.ready.popleft()
            if frame.over:
                continue
            found = at.nodes[key]
            if self.waits.skips and (key, frame.path) in self.waits.skips:
                at.settle(frame, self.waits.skipped(frame, key))
            elif at.cleaning and found.kind.rests:
                at.settle(frame, at.attempting(frame, found).failed(datetime.now(UTC), NO_REST))
            elif found.kind.container and not at.stood_in(found):
                at.open(frame, key)
            elif found.kind.effect and not at.instant(found):
                self.queue.append((frame, key))
                continue
            else:
                self._take(frame, await at.attempting(frame, found).settle())
            count += 1
            if count % YIELD_EVERY == 0:
                self._check_control()
                await asyncio.sleep(0)

    def _next_effects(self) -> list[tuple[Frame, str]]:
        room = self.most - len(self.tasks)
        found: list[tuple[Frame, str]] = []
        while self.queue and len(found) < room:
            frame, key = self.queue.popleft()
            if not frame.over:
                found.append((frame, key))
        return found

    def _stays_awake(self) -> bool:
        """A wait that is over in a moment is not worth lying down for."""
        soon = self.waits.next_due()
        if soon is None or self.pausing:
            return False
        return self.at.cleaning or (soon - datetime.now(UTC)).total_seconds() < self.limits.rest

    def _take(self, frame: Frame, result: Step | Waiting) -> None:
        if isinstance(result, Step):
            self.at.settle(frame, result)
        elif not frame.over:
            self.waits.add(result)

    # -- effects at work

    def _spawn(self, frame: Frame, key: str) -> None:
        task = asyncio.create_task(self._effect(frame, key), name=f"node {key}")
        self.tasks[task] = frame, key
        task.add_done_callback(self._gone)

    async def _effect(self, frame: Frame, key: str) -> None:
        found = self.at.nodes[key]
        result = await self.at.attempting(frame, found).settle_effect()
        self.settled.append((frame, key, result))

    def _gone(self, task: asyncio.Task[None]) -> None:
        frame, key = self.tasks.pop(task)
        if task.cancelled():
            if not frame.over:  # not by us, or nobody looks here any more
                broken = RuntimeError(f"The work on {key} was broken off")
                self.settled.append((frame, key, broken))
        elif error := task.exception():
            self.settled.append((frame, key, error))
        self.wake.set()

    async def _await_settled(self) -> None:
        """Until a node has settled, a wait is over or somebody has a say.

        A task may still be in `tasks` when its result has been taken: nothing is to come then.
        """
        while not self.settled and (self.tasks or self._stays_awake()):
            self.wake.clear()
            rest = math.inf if self.pausing else self.waits.seconds()
            pause = max(min(self.deadline - time.monotonic(), self.limits.poll, rest), 0)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.wake.wait()
            if self.settled:
                return
            paused = self.pausing
            self._check_control()
            if paused != self.pausing or self._has_news():
                return
            if self.buffer.events:
                await self._flush()

    def _has_news(self) -> bool:
        return not self.pausing and (self.waits.news or self.waits.due())

    def _take_settled(self) -> None:
        while self.settled:
            frame, _, result = self.settled.popleft()
            if isinstance(result, BaseException):
                raise result
            self._take(frame, result)

    def _drop(self, frames: list[Frame]) -> None:
        """These rounds are over: what works for them stops, what waits in them is let go."""
        for task, (frame, _) in self.tasks.items():
            if frame in frames:
                task.cancel()
        self.waits.drop(frames)

    def _check_control(self) -> None:
        asked = "" if self.stopping else self.control()
        if asked == CANCEL or (self.at.cleaning and not self.stopping):
            raise Ended(RunState.CANCELLED)
        self.pausing = asked == PAUSE
        if time.monotonic() > self.deadline:
            message = "The time that this run may take is up"
            raise Ended(RunState.TIMED_OUT, "run_timeout", message)

    async def cancel_tasks(self) -> None:
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self.limits.grace)

    def _record_late(self) -> None:
        """Effects that settled while the run ended: they happened, and may have cost something."""
        while self.settled:
            _, _, result = self.settled.popleft()
            if isinstance(result, Step):
                self.at.note_step(masked(result, self.at.secrets))

    # -- the end of it

    async def _cancel(self) -> RunState:
        """What works gets a moment to stop; then the flow's own clean-up branch runs."""
        self.stopping, self.pausing = True, False
        await self.cancel_tasks()
        self._record_late()
        cause = {"code": "cancelled", "message": "The run was cancelled.", "node_id": ""}
        if not self.at.graph.cleanup:
            return await self._end(RunState.CANCELLED, cause)
        await self.waits.withdraw()
        self.queue.clear()
        self.at.begin_cleanup()
        try:
            await self._work()
        except Ended as end:
            cause["cleanup"] = end.cause["message"] if end.cause else ""
        return await self._end(RunState.CANCELLED, cause)

    async def _flush(self, **end: Any) -> None:
        if not await self.at.journal.commit(self.buffer.change(**end)):
            raise _Fenced

    async def _end(self, state: RunState, cause: dict[str, Any] | None) -> RunState:
        outputs = None
        if state in {RunState.SUCCEEDED, RunState.PARTIAL}:
            self.at.stream.flush()
            outputs = outputs_of(self.at.graph, self.at.steps)
            if (size := json_size(outputs)) > self.limits.value:
                message = f"The run's outputs have {size} bytes, more than {self.limits.value}"
                cause = {"code": "value_too_large", "message": message, "node_id": ""}
                return await self._end(RunState.FAILED, cause)
            self.buffer.event("run.succeeded", data={"state": str(state)})
        elif state not in {RunState.WAITING, RunState.PAUSED}:
            await self.cancel_tasks()
            self._record_late()
            data: dict[str, Any] = {"error": cause} if cause else {}
            self.buffer.event(f"run.{state}", data=data)
        await self._flush(state=state, outputs=outputs, error=cause)
        return state


def _deadline(task: RunTask, limits: Limits) -> float:
    """On the monotonic clock: the end of this stretch of work, or of the whole run's time."""
    left = limits.seconds
    if task.deadline is not None:
        left = min(left, (task.deadline - datetime.now(UTC)).total_seconds())
    return time.monotonic() + left
