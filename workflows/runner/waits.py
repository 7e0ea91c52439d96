"""What a run waits for, and how it goes on when that comes: an answer, a signal, a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from workflows.engine.records import Signal, Step, StepStatus, Wait
from workflows.nodes.base import AnsweredMeanwhile, StillWaiting, Waiting
from workflows.runner.attempting import Try
from workflows.runner.buffer import Place
from workflows.runner.frames import Frame
from workflows.runner.shapes import Outside
from workflows.runner.standing import Standing

TIMEOUT = {"action": "__timeout"}
COMMAND, SKIP = "__command", "skip"
AGAIN = frozenset({"retry", "rate"})
"""Waits of the engine's own: when they are over the node runs (again)."""
HASTE = timedelta(seconds=2)
"""The longest pause while a cancelled run cleans up: that is not given back, and must end."""


class Waits:
    """The open waits of a run and what has been sent to it."""

    def __init__(self, standing: Standing, outside: Outside) -> None:
        self._at = standing
        self._outside = outside
        self._open: dict[Place, Wait] = {}
        self._answers: dict[Place, Signal] = {}
        self._named: dict[int, Signal] = {}
        self.fresh = False
        """A wait began since they were last looked through: what it waits for may be there."""
        self.skips: dict[Place, Signal] = {}
        """Nodes that somebody gave outputs for, so that they need not run."""
        self._withdrawn: list[Wait] = []
        self._overtaken: set[Place] = set()
        """Their time is up, but an answer was faster and is on its way."""
        for wait in standing.task.waits:
            self._keep(wait)
        self._sort(standing.task.signals)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, waiting: Waiting) -> None:
        wait = waiting.wait
        if self._at.cleaning and wait.wake_at is not None:
            wait = replace(wait, wake_at=min(wait.wake_at, datetime.now(UTC) + HASTE))
        self.fresh = True
        self._keep(wait)
        self._at.buffer.wait(wait)
        if wait.kind not in AGAIN:
            wake_at = wait.wake_at.isoformat() if wait.wake_at else None
            data = {"kind": wait.kind, "wake_at": wake_at}
            if wait.iteration:
                data["iteration"] = wait.iteration
            self._at.buffer.event("node.waiting", wait.node_id, data)

    def _keep(self, wait: Wait) -> None:
        place = wait.node_id, wait.iteration
        self._open[place] = wait
        if "attempt" in wait.data:
            since = datetime.fromisoformat(wait.data["since"])
            self._at.tries[place] = Try(wait.data["attempt"], since)

    def _sort(self, signals: tuple[Signal, ...]) -> None:
        for signal in signals:
            place = signal.node_id, signal.iteration
            if signal.name:
                self._named[signal.id] = signal
            elif signal.payload.get(COMMAND) == SKIP:
                self.skips[place] = signal
            else:
                self._answers[place] = signal

    # -- time

    def next_due(self) -> datetime | None:
        open_ = (wait for place, wait in self._open.items() if place not in self._overtaken)
        return min((wait.wake_at for wait in open_ if wait.wake_at is not None), default=None)

    def seconds(self) -> float:
        """Until the next of them is due."""
        if not self._open:
            return inf
        due = self.next_due()
        return inf if due is None else (due - datetime.now(UTC)).total_seconds()

    def due(self) -> bool:
        return self.seconds() <= 0

    @property
    def news(self) -> bool:
        return self._outside.wakes != self._outside.seen

    # -- going on

    async def resume(self) -> None:
        """Carry on with all that is due or answered. Raises Ended."""
        self.fresh = False
        if self._withdrawn:
            await self._close_withdrawn()
        if self.news:
            await self._fetch()
        if not self._open:
            return
        for place, wait in list(self._open.items()):
            if self._open.get(place) is wait:
                await self._try(place, wait)

    async def _fetch(self) -> None:
        self._outside.seen = self._outside.wakes
        if self._outside.fetch:
            self._sort(await self._outside.fetch())

    async def _try(self, place: Place, wait: Wait) -> None:
        node = self._at.graph.nodes[wait.node_id]
        frame = self._at.frames.of(node, wait.iteration)
        if frame is None or frame.over:
            self._let_go(place)
        elif place in self.skips:
            self._let_go(place)
            if wait.kind == "human":
                self._withdrawn.append(wait)
                await self._close_withdrawn()
            self._at.settle(frame, self.skipped(frame, wait.node_id))
        elif wait.kind in AGAIN:
            if _is_due(wait):
                self._let_go(place)
                self._at.ready.append((frame, wait.node_id))
        elif (payload := self._payload(place, wait)) is not None:
            await self._answer(frame, place, wait, payload)

    def _payload(self, place: Place, wait: Wait) -> dict[str, Any] | None:
        """What came for this wait; None while there is nothing."""
        if answer := self._answers.get(place):
            return answer.payload
        if names := wait.data.get("signals"):
            found = self._matching(names)
            if found or _is_due(wait):
                return {"signals": {name: signal.payload for name, signal in found.items()}}
            return None
        return TIMEOUT if _is_due(wait) else None

    def _matching(self, names: list[str]) -> dict[str, Signal]:
        """The oldest signal of each name."""
        found: dict[str, Signal] = {}
        for key in sorted(self._named):
            signal = self._named[key]
            if signal.name in names:
                found.setdefault(signal.name, signal)
        return found

    async def _answer(
        self, frame: Frame, place: Place, wait: Wait, payload: dict[str, Any]
    ) -> None:
        attempting = self._at.attempting(frame, self._at.nodes[wait.node_id])
        used = self._matching(list(payload.get("signals") or ()))
        try:
            step = await attempting.resume(wait, payload)
        except AnsweredMeanwhile:
            self._overtaken.add(place)  # the answer wakes the run as soon as it rests
            return
        except StillWaiting as still:
            self._consume(used)
            self._open[place] = still.wait
            self._at.buffer.wait(still.wait)
            return
        self._consume(used)
        self._let_go(place)
        self._answers.pop(place, None)
        if isinstance(step, Step):
            self._at.settle(frame, step)
        else:
            self.add(step)

    def _consume(self, used: dict[str, Signal]) -> None:
        for signal in used.values():
            del self._named[signal.id]
            self._at.buffer.consume(signal.id)

    def _let_go(self, place: Place) -> None:
        del self._open[place]
        self._at.buffer.resolve(place)

    def skipped(self, frame: Frame, key: str) -> Step:
        """The step of a node that need not run, because somebody gave its outputs."""
        signal = self.skips.pop((key, frame.path))
        self._at.buffer.resolve((key, frame.path))
        at = datetime.now(UTC)
        return Step(
            node_id=key,
            kind=self._at.graph.nodes[key].kind,
            started_at=at,
            ended_at=at,
            iteration=frame.path,
            attempts=0,
            status=StepStatus.SKIPPED,
            handle=str(signal.payload.get("handle") or "source"),
            outputs=dict(signal.payload.get("outputs") or {}),
        )

    # -- letting go

    def drop(self, frames: list[Frame]) -> None:
        """These rounds are over: nothing waits in them any more."""
        if not self._open:
            return
        rounds = {(frame.container.node_id, frame.path) for frame in frames if frame.container}
        for place, wait in list(self._open.items()):
            if (self._at.graph.nodes[wait.node_id].parent, wait.iteration) in rounds:
                self._let_go(place)
                self._withdrawn.append(wait)

    async def withdraw(self) -> None:
        """Nothing is waited for any more."""
        self._withdrawn.extend(self._open.values())
        for place in list(self._open):
            self._let_go(place)
        await self._close_withdrawn()

    async def _close_withdrawn(self) -> None:
        while self._withdrawn:
            wait = self._withdrawn.pop()
            if wait.kind == "human":
                await self._at.services.close_human_task(wait.key)


def _is_due(wait: Wait) -> bool:
    return wait.wake_at is not None and wait.wake_at <= datetime.now(UTC)
