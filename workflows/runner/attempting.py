"""Running one node to its step: attempts, retries, failures and what the flow says to do then."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from django import db

from core.errors import DomainError
from core.jsonsafe import json_size
from workflows.engine.graph import FAIL_BRANCH, SOURCE
from workflows.engine.records import Event, Step, StepStatus, Wait
from workflows.engine.values import convert
from workflows.mocks import Mocks
from workflows.nodes.base import (
    AnsweredMeanwhile,
    NodeContext,
    NodeFailed,
    Outcome,
    StillWaiting,
    Waiting,
)
from workflows.runner.compiled import Compiled

logger = logging.getLogger(__name__)
Note = Callable[[Event], None]
AWAY = (
    psycopg.OperationalError, psycopg.InterfaceError, db.OperationalError, db.InterfaceError,
)  # fmt: skip
"""Our own database does not answer: that says nothing of the node, and the run goes on later."""
POINTLESS = frozenset({400, 401, 402, 403, 404})
"""Refusals of these statuses are the same every time."""
LONGEST_ERROR, LONGEST_CODE = 4000, 60
ASSIGNED = "__assigned"
"""Among a step's outputs: variables of others that it changed, {"scope", "name", "value"} each."""
SHORT = 0.05
"""Seconds: a pause as short as this is not worth a row."""
PATIENCE = 1.0
"""Seconds that an effect stands in a queue awake; for a longer turn it lies down."""


@dataclass(frozen=True, slots=True)
class Try:
    """Where a node's attempts have got to."""

    attempt: int
    started: datetime


@dataclass(slots=True)
class Attempting:
    """One node on its way.

    `note` takes events for the history; `restart` says that text streamed so far is void.
    """

    compiled: Compiled
    context: NodeContext
    note: Note
    restart: Callable[[], None]
    largest: int
    """Bytes of outputs as JSON that are kept; more is a failure."""
    mocks: Mocks | None = None
    since: datetime | None = None
    """When its first attempt began, where this is not the first."""

    async def settle(self) -> Step | Waiting:
        """Run until it succeeds, waits or has failed for good; failures are steps, not raised.

        The pause before another attempt is a wait like others: it survives this process.
        """
        started, policy = self.since or datetime.now(UTC), self.compiled.policy
        while True:
            try:
                outcome = await self._once()
            except NodeFailed as failure:
                if not policy.again(self.context.attempt, failure):
                    return self.failed(started, failure)
                pause = policy.pause(self.context.attempt)
                self._note_retry(failure, pause)
                if pause > SHORT:
                    return self._later("retry", pause, started, self.context.attempt + 1)
                await asyncio.sleep(pause)
                self.context.attempt += 1
                continue
            return outcome if isinstance(outcome, Waiting) else self.done(started, outcome)

    async def settle_effect(self) -> Step | Waiting:
        """As `settle`, when it is this effect's turn to reach what it reaches."""
        found, context = self.compiled, self.context
        if self.mocks is None and not found.fault:
            connector = found.kind.connector(context, found.config)
            while (
                pause := await context.services.admit(context.run, found.kind.name, connector)
            ) > 0:
                if pause > PATIENCE:
                    started = self.since or datetime.now(UTC)
                    return self._later("rate", pause, started, context.attempt)
                await asyncio.sleep(pause)
        return await self.settle()

    async def resume(self, wait: Wait, payload: Mapping[str, Any]) -> Step | Waiting:
        """Carry on after a wait. Raises AnsweredMeanwhile, StillWaiting."""
        started = self.since or wait.created_at or datetime.now(UTC)
        found = self.compiled
        try:
            found.require()
            outcome = await _caught(found.kind.resume(self.context, found.config, wait, payload))
        except NodeFailed as failure:
            if found.policy.again(self.context.attempt, failure):
                pause = found.policy.pause(self.context.attempt)
                self._note_retry(failure, pause)
                return self._later("retry", pause, started, self.context.attempt + 1)
            return self.failed(started, failure)
        return self.done(started, outcome)

    async def _once(self) -> Outcome | Waiting:
        found, context = self.compiled, self.context
        found.require()
        if self.mocks:
            await self.mocks.disturb(context)
            if (outcome := self.mocks.stand_in(found.kind, found.config, context)) is not None:
                return outcome
        if not found.policy.timeout:
            return await _caught(found.kind.run(context, found.config))
        async with _within(found.policy.timeout):
            return await _caught(found.kind.run(context, found.config))

    def _note_retry(self, failure: NodeFailed, pause: float) -> None:
        error, code = failure.message[:LONGEST_ERROR], failure.code
        again = f"Attempt {self.context.attempt} failed ({code}), the next in {pause:g} s: {error}"
        self.context.log("warning", again)
        data: dict[str, Any] = {"attempt": self.context.attempt, "error": error, "code": code}
        data["pause_ms"] = round(pause * 1000)
        if self.context.iteration:
            data["iteration"] = self.context.iteration
        self.note(Event("node.retried", self.context.node.id, data))
        self.restart()

    def _later(self, kind: str, pause: float, started: datetime, attempt: int) -> Waiting:
        """Rest, and run (again) when the time has come."""
        context, at = self.context, datetime.now(UTC)
        data = {"attempt": attempt, "since": started.isoformat()}
        due = at + timedelta(seconds=pause)
        return Waiting(Wait(context.node.id, context.iteration, kind, "", due, data, at))

    def done(self, started: datetime, outcome: Outcome) -> Step:
        outputs = outcome.outputs
        if outcome.assigned:
            rows = [{"scope": at[0], "name": at[1], "value": to} for at, to in outcome.assigned]
            outputs = {**outputs, ASSIGNED: rows}
        if self.mocks:
            outputs = self.mocks.touch_up(self.compiled.kind, self.context, outputs)
        spent = {"usage": outcome.usage, "cost": outcome.cost}
        if (size := json_size(outputs)) > self.largest:
            failure = NodeFailed(
                f"The outputs have {size} bytes, more than {self.largest}",
                code="value_too_large",
                kind="ValueTooLarge",
                inputs=outcome.inputs,
            )
            return self.failed(started, failure, **spent)
        return self._step(started, outcome.inputs, outputs, size, handle=outcome.handle, **spent)

    def failed(self, started: datetime, failure: NodeFailed, **spent: Any) -> Step:
        policy = self.compiled.policy
        message = failure.message[:LONGEST_ERROR]
        self.context.log("warning" if policy.strategy else "error", f"{failure.code}: {message}")
        common = spent | {"error": message, "error_code": failure.code[:LONGEST_CODE]}
        if not policy.strategy:
            return self._step(started, failure.inputs, status=StepStatus.FAILED, **common)
        outputs = {"error_message": message, "error_type": failure.kind}
        handle = FAIL_BRANCH if policy.strategy == FAIL_BRANCH else SOURCE
        try:
            outputs |= {
                str(row.get("key")): convert(row.get("value"), str(row.get("type")))
                for row in policy.defaults
            }
        except (TypeError, ValueError) as error:
            common["error"] = f"{message} (and its default value is unusable: {error})"
            return self._step(started, failure.inputs, status=StepStatus.FAILED, **common)
        return self._step(
            started,
            failure.inputs,
            outputs,
            json_size(outputs),
            status=StepStatus.EXCEPTION,
            handle=handle,
            **common,
        )

    def _step(
        self,
        started: datetime,
        inputs: dict[str, Any],
        outputs: dict[str, Any] | None = None,
        size: int = 0,
        **rest: Any,
    ) -> Step:
        """`size`: bytes of `outputs` as JSON. Inputs too large to keep are told of, not kept."""
        context, weight = self.context, json_size(inputs)
        if weight > self.largest:
            inputs, weight = {"omitted": {"bytes": weight, "most": self.largest}}, 0
        return Step(
            inputs=inputs,
            outputs=outputs or {},
            weight=max(weight, size),
            node_id=context.node.id,
            kind=context.node.kind,
            iteration=context.iteration,
            attempts=context.attempt,
            started_at=started,
            ended_at=datetime.now(UTC),
            **rest,
        )


async def _caught(running: Any) -> Any:
    """Whatever goes wrong inside a node is the node's failure."""
    try:
        return await running
    except (NodeFailed, AnsweredMeanwhile, StillWaiting, *AWAY):
        raise
    except DomainError as error:
        raise NodeFailed(
            str(error.message),
            code=error.code,
            kind=type(error).__name__,
            retryable=error.status not in POINTLESS,
        ) from error
    except TimeoutError as error:
        raise NodeFailed("The time for this node is up", code="timeout", kind="Timeout") from error
    except Exception as error:
        if code := getattr(error, "code", ""):
            message, kind = str(error), type(error).__name__
            raise NodeFailed(message, code=str(code), kind=kind) from error
        logger.exception("A node broke")
        message = f"{type(error).__name__}: {error}"
        raise NodeFailed(message, code="internal_error", kind=type(error).__name__) from error


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """The node's own time limit, told from a time-out of something inside of it."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        message = f"The node took more than {seconds:g} s"
        raise NodeFailed(message, code="node_timeout", kind="Timeout") from error
