"""Running one node to its step: attempts, retries, failures and what the flow says to do then."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.errors import DomainError
from core.jsonsafe import json_size
from workflows.engine.graph import FAIL_BRANCH, SOURCE
from workflows.engine.records import Event, Step, StepStatus, Wait
from workflows.engine.values import convert
from workflows.mocks import Mocks
from workflows.nodes.base import AnsweredMeanwhile, NodeContext, NodeFailed, Outcome, Waiting
from workflows.runner.compiled import Compiled

logger = logging.getLogger(__name__)
Note = Callable[[Event], None]
POINTLESS = frozenset({400, 401, 402, 403, 404})
"""Refusals of these statuses are the same every time."""
LONGEST_ERROR, LONGEST_CODE = 4000, 60


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

    async def settle(self) -> Step | Waiting:
        """Run until it succeeds, waits or has failed for good; failures are steps, not raised."""
        started, policy = datetime.now(UTC), self.compiled.policy
        while True:
            try:
                outcome = await self._once()
            except NodeFailed as failure:
                if self.context.attempt <= policy.retries and failure.retryable:
                    await self._wait_for_next(failure)
                    continue
                return self._failed(started, failure)
            return self._done(started, outcome)

    async def resume(self, wait: Wait, payload: Mapping[str, Any]) -> Step:
        """Carry on after a wait. Raises AnsweredMeanwhile."""
        started, found = datetime.now(UTC), self.compiled
        try:
            found.require()
            outcome = await _caught(found.kind.resume(self.context, found.config, wait, payload))
        except NodeFailed as failure:
            return self._failed(started, failure)
        step = self._done(started, outcome)
        assert isinstance(step, Step)  # nosec B101 # noqa: S101 - resume never waits again, by its type
        return step

    async def _once(self) -> Outcome | Waiting:
        found, context = self.compiled, self.context
        found.require()
        if self.mocks:
            await self.mocks.disturb(context)
            if (outcome := self.mocks.stand_in(found.kind, found.config, context)) is not None:
                return outcome
        return await _caught(found.kind.run(context, found.config))

    async def _wait_for_next(self, failure: NodeFailed) -> None:
        error, code = failure.message[:LONGEST_ERROR], failure.code
        data = {"attempt": self.context.attempt, "error": error, "code": code}
        self.note(Event("node.retried", self.context.node.id, data))
        self.restart()
        await asyncio.sleep(self.compiled.policy.interval)
        self.context.attempt += 1

    def _done(self, started: datetime, outcome: Outcome | Waiting) -> Step | Waiting:
        if isinstance(outcome, Waiting):
            return outcome
        outputs = outcome.outputs
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
            return self._failed(started, failure, **spent)
        return self._step(started, outcome.inputs, outputs, size, handle=outcome.handle, **spent)

    def _failed(self, started: datetime, failure: NodeFailed, **spent: Any) -> Step:
        policy = self.compiled.policy
        message = failure.message[:LONGEST_ERROR]
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
    except (NodeFailed, AnsweredMeanwhile):
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
