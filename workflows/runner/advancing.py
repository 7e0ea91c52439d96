"""Advancing one run from where its committed steps left it until it ends, rests or is stopped.

What is durable when: steps of pure nodes are buffered and ride in the next change; an effect
starts only after the change that precedes it is durable; an effect's own step is committed as soon
as it settled, together with all that follows from it at once and the start of the next effects.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from core.jsonsafe import json_size
from workflows.engine.checks import InvalidGraph
from workflows.engine.pool import Pool
from workflows.engine.records import Change, Event, RunState, Step, StepStatus, Wait
from workflows.engine.results import outputs_of, state_of
from workflows.engine.scheduler import Frontier
from workflows.engine.stream import Stream
from workflows.mocks import Mocks
from workflows.nodes.base import AnsweredMeanwhile, NodeContext, Waiting
from workflows.nodes.services import Services
from workflows.runner.attempting import Attempting
from workflows.runner.compiled import Compiled, compiled, graph_of, reads, templates
from workflows.runner.redaction import masked, masked_event, secrets_of
from workflows.runner.shapes import Journal, Limits, RunTask

CANCEL = "cancel"
TIMEOUT = {"action": "__timeout"}
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
    run = _Advance(task, journal, services, graph=graph, limits=limits)
    run.control = control
    if mocks:
        run.mocks = mocks.reading(reads(graph))
        run.services = mocks.services(services)
    try:
        return await run.go()
    except _Fenced:
        return RunState.RUNNING
    finally:
        await run.cancel_tasks()


async def _refuse(journal: Journal, error: InvalidGraph) -> RunState:
    cause = {"code": "invalid_graph", "message": str(error), "node_id": ""}
    event = Event("run.failed", data={"error": cause})
    change = Change(events=(event,), state=RunState.FAILED, error=cause)
    return RunState.FAILED if await journal.commit(change) else RunState.RUNNING


class _Fenced(Exception):
    """Another worker owns the run."""


class _Ended(Exception):
    """The run is over or stopped before its frontier is empty."""

    def __init__(self, state: RunState, code: str = "", message: str = "", node: str = "") -> None:
        super().__init__(message)
        self.state = state
        self.cause = {"code": code, "message": message, "node_id": node} if code else None


class _Advance:
    def __init__(
        self, task: RunTask, journal: Journal, services: Services, *, graph: Any, limits: Limits
    ) -> None:
        self.task = task
        self.journal = journal
        self.services = services
        self.graph = graph
        self.limits = limits
        self.mocks: Mocks | None = None
        self.control: Control | None = None
        self.nodes = compiled(graph)
        self.secrets = secrets_of(graph)
        self.pool = _pool_of(task, graph)
        self.frontier = Frontier(graph)
        self.offset = 0
        self.stream = Stream(graph, templates(graph), self.pool, _unheard)
        self.steps: list[Step] = []
        self.waits = {(wait.node_id, wait.iteration): wait for wait in task.waits}
        self.ready: deque[str] = deque()
        self.tasks: dict[asyncio.Task[None], str] = {}
        self.settled: deque[tuple[str, Step | Waiting | BaseException]] = deque()
        self.wake = asyncio.Event()
        self.deadline = time.monotonic() + limits.seconds
        self.buffer_steps: list[Step] = []
        self.buffer_events: list[Event] = []
        self.buffer_waits: list[Wait] = []
        self.buffer_resolved: list[tuple[str, str]] = []
        self.paid = False
        """The buffer holds the step of an effect: it must not wait for company."""

    async def go(self) -> RunState:
        self._restore()
        try:
            await self._resume_waits()
            await self._work()
        except _Ended as end:
            return await self._end(end.state, end.cause)
        if self.waits:
            self.buffer_events.append(Event("run.waiting"))
            return await self._end(RunState.WAITING, None)
        return await self._end(state_of(self.graph, self.steps), None)

    # -- where the run stands

    def _restore(self) -> None:
        """Take up the committed steps; text they led to has been heard already."""
        self._follow_start()
        for step in self.task.steps:
            self._move(step)
        fresh = not self.task.steps and not self.task.waits
        kind = "run.started" if fresh else "run.resumed"
        if fresh or self.task.signals or not self.task.waits:
            self.buffer_events.append(Event(kind))
        waiting = {node_id for node_id, _ in self.waits}
        self.ready.clear()
        self.ready.extend(key for key in self.frontier.ready if key not in waiting)
        self.stream.publish = self._publish
        if fresh:
            self.stream.begin()

    def _follow_start(self) -> None:
        self.frontier.begin()
        if self.task.steps or self.task.waits:
            self.stream.begin()

    def _publish(self, node_id: str, text: str) -> None:
        self.journal.publish("delta", {"node_id": node_id, "text": text, "offset": self.offset})
        self.offset += len(text)

    def _move(self, step: Step) -> None:
        """A step is settled: its outputs count, the frontier and the text move on."""
        self.steps.append(step)
        if step.status == StepStatus.FAILED:
            return
        self.pool.put(step.node_id, step.outputs)
        self.stream.settle(step.node_id, step.outputs)
        moves = self.frontier.settle(step.node_id, step.handle)
        self.stream.follow(moves.taken, moves.skip)
        self.ready.extend(moves.start)

    async def _resume_waits(self) -> None:
        signals = {(signal.node_id, signal.iteration): signal for signal in self.task.signals}
        for place, wait in list(self.waits.items()):
            signal = signals.get(place)
            if signal is None and not _is_due(wait):
                continue
            attempting = self._attempting(self.nodes[wait.node_id], iteration=wait.iteration)
            payload = signal.payload if signal else TIMEOUT
            try:
                step = await attempting.resume(wait, payload)
            except AnsweredMeanwhile:
                continue  # the answer wakes the run as soon as it rests again
            del self.waits[place]
            self.buffer_resolved.append(place)
            self._settle(step)

    # -- the work

    async def _work(self) -> None:
        while True:
            effects = await self._run_pure()
            self._check_control()
            if not effects and not self.tasks and not self.settled:
                return  # what is buffered goes with the end
            self.buffer_events += [self._started(key) for key in effects]
            if effects or self.paid or self.buffer_waits:
                await self._flush()
            for key in effects:
                self._spawn(key)
            await self._await_settled()
            self._take_settled()

    async def _run_pure(self) -> list[str]:
        """Run all that is ready and pure, in order; returns the effects that came up."""
        effects: list[str] = []
        count = 0
        while self.ready:
            key = self.ready.popleft()
            found = self.nodes[key]
            if found.kind.effect and not (self.mocks and self.mocks.instant(key, found.policy)):
                effects.append(key)
                continue
            result = await self._attempting(found).settle()
            self._take(result)
            count += 1
            if count % YIELD_EVERY == 0:
                self._check_control()
                await asyncio.sleep(0)
        return effects

    def _take(self, result: Step | Waiting) -> None:
        if isinstance(result, Step):
            self._settle(result)
            return
        wait = result.wait
        self.waits[wait.node_id, wait.iteration] = wait
        self.buffer_waits.append(wait)
        data = {"kind": wait.kind, "wake_at": wait.wake_at.isoformat() if wait.wake_at else None}
        self.buffer_events.append(Event("node.waiting", wait.node_id, data))

    def _settle(self, step: Step) -> None:
        step = masked(step, self.secrets)
        self.buffer_steps.append(step)
        self.paid = self.paid or self.nodes[step.node_id].kind.effect
        self.buffer_events.append(_event_of(step))
        self._move(step)
        if step.status == StepStatus.FAILED:
            raise _Ended(RunState.FAILED, step.error_code, step.error, step.node_id)
        if len(self.steps) > self.limits.steps:
            message = f"The run took more than {self.limits.steps} steps"
            raise _Ended(RunState.FAILED, "too_many_steps", message, step.node_id)

    def _started(self, key: str) -> Event:
        node = self.nodes[key].node
        return Event("node.started", key, {"kind": node.kind, "title": node.title})

    def _attempting(self, found: Compiled, iteration: str = "") -> Attempting:
        node_id = found.node.id
        context = NodeContext(
            run=self.task,
            node=found.node,
            pool=self.pool,
            services=self.services,
            stream=lambda name, piece: self.stream.feed(node_id, name, piece),
            iteration=iteration,
        )
        return Attempting(
            found,
            context,
            self._note,
            lambda: self.stream.restart(node_id),
            self.limits.value,
            self.mocks,
        )

    def _note(self, event: Event) -> None:
        self.buffer_events.append(masked_event(event, self.secrets))

    # -- effects at work

    def _spawn(self, key: str) -> None:
        task = asyncio.create_task(self._effect(key), name=f"node {key}")
        self.tasks[task] = key
        task.add_done_callback(self._gone)

    async def _effect(self, key: str) -> None:
        self.settled.append((key, await self._attempting(self.nodes[key]).settle()))

    def _gone(self, task: asyncio.Task[None]) -> None:
        key = self.tasks.pop(task, "")
        if task.cancelled():  # not by us, or nobody looks here any more
            self.settled.append((key, RuntimeError(f"The work on {key} was broken off")))
        elif error := task.exception():
            self.settled.append((key, error))
        self.wake.set()

    async def _await_settled(self) -> None:
        while not self.settled:
            self.wake.clear()
            left = self.deadline - time.monotonic()
            if left <= 0:
                message = f"The run took more than {self.limits.seconds:g} s"
                raise _Ended(RunState.FAILED, "run_timeout", message)
            try:
                async with asyncio.timeout(min(left, self.limits.poll)):
                    await self.wake.wait()
            except TimeoutError:
                self._check_control()
                if self.buffer_events:
                    await self._flush()

    def _take_settled(self) -> None:
        while self.settled:
            _, result = self.settled.popleft()
            if isinstance(result, BaseException):
                raise result
            self._take(result)

    def _check_control(self) -> None:
        if self.control is not None and self.control() == CANCEL:
            raise _Ended(RunState.CANCELLED)
        if time.monotonic() > self.deadline:
            message = f"The run took more than {self.limits.seconds:g} s"
            raise _Ended(RunState.FAILED, "run_timeout", message)

    async def cancel_tasks(self) -> None:
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    def _record_late(self) -> None:
        """Effects that settled while the run ended: they happened, and may have cost something."""
        while self.settled:
            _, result = self.settled.popleft()
            if isinstance(result, Step):
                step = masked(result, self.secrets)
                self.buffer_steps.append(step)
                self.buffer_events.append(_event_of(step))

    # -- making it durable

    async def _flush(self, **end: Any) -> None:
        change = Change(
            steps=tuple(self.buffer_steps),
            events=tuple(self.buffer_events),
            waits=tuple(self.buffer_waits),
            resolved=tuple(self.buffer_resolved),
            **end,
        )
        for buffer in (
            self.buffer_steps,
            self.buffer_events,
            self.buffer_waits,
            self.buffer_resolved,
        ):
            buffer.clear()
        self.paid = False
        if not await self.journal.commit(change):
            raise _Fenced

    async def _end(self, state: RunState, cause: dict[str, Any] | None) -> RunState:
        outputs = None
        if state in {RunState.SUCCEEDED, RunState.PARTIAL}:
            self.stream.flush()
            outputs = outputs_of(self.graph, self.steps)
            if (size := json_size(outputs)) > self.limits.value:
                message = f"The run's outputs have {size} bytes, more than {self.limits.value}"
                cause = {"code": "value_too_large", "message": message, "node_id": ""}
                return await self._end(RunState.FAILED, cause)
            self.buffer_events.append(Event("run.succeeded", data={"state": str(state)}))
        elif state is not RunState.WAITING:
            await self.cancel_tasks()
            self._record_late()
            data = {"error": cause} if cause else {}
            self.buffer_events.append(Event(f"run.{state}", data=data))
        await self._flush(state=state, outputs=outputs, error=cause)
        return state


def _pool_of(task: RunTask, graph: Any) -> Pool:
    pool = Pool(compat=graph.compat)
    pool.put("sys", task.system)
    pool.put("env", {str(item["name"]): item.get("value") for item in graph.environment})
    conversation = {str(item["name"]): item.get("value") for item in graph.conversation}
    pool.put("conversation", conversation | dict(task.system.get("conversation") or {}))
    return pool


def _unheard(node_id: str, text: str) -> None:
    """Text that was spoken before the run was taken up again."""


def _is_due(wait: Wait) -> bool:
    return wait.wake_at is not None and wait.wake_at <= datetime.now(UTC)


def _event_of(step: Step) -> Event:
    data: dict[str, Any] = {
        "kind": step.kind,
        "attempts": step.attempts,
        "duration_ms": round((step.ended_at - step.started_at).total_seconds() * 1000),
    }
    if step.status == StepStatus.SUCCEEDED:
        if step.cost or step.usage:
            data |= {"usage": step.usage, "cost": step.cost}
        return Event("node.succeeded", step.node_id, data | {"handle": step.handle})
    handled = step.status == StepStatus.EXCEPTION
    data |= {"error": step.error, "code": step.error_code, "handled": handled}
    return Event("node.failed", step.node_id, data)
