"""Loop: its children run round after round, on variables that the rounds share.

As in Dify: the condition to stop is judged before each round, the first one too; the children's
own outputs stay visible from round to round; a failing child fails the loop.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from workflows.engine.conditions import ConditionFailed, holds
from workflows.engine.pool import Pool
from workflows.engine.records import Step
from workflows.nodes.base import Config, ContainerKind, NodeContext, NodeFailed, Outcome
from workflows.nodes.fields import Text, names_in

MOST_ROUNDS = 1000
Rows = Annotated[list[Any], BeforeValidator(lambda value: value or []), Field(default_factory=list)]


class LoopVariable(Config):
    label: str
    var_type: Text = "string"
    value_type: Text = "constant"
    value: Any = None


class LoopConfig(Config):
    loop_count: int | None = 1
    break_conditions: Rows
    logical_operator: Text = "and"
    loop_variables: Annotated[list[LoopVariable], BeforeValidator(lambda value: value or [])] = (
        Field(default_factory=list)
    )


class LoopRounds:
    """One round at a time, all in one pool."""

    def __init__(self, context: NodeContext, config: LoopConfig) -> None:
        self._context = context
        self._config = config
        self._count = min(max(config.loop_count or 0, 0), MOST_ROUNDS)
        self._done = 0
        self.outcome: Outcome | NodeFailed | None = None
        outer = context.pool
        self._pool = Pool(compat=outer.compat, parent=outer)
        given = {row.label: _initial(row, outer) for row in config.loop_variables}
        self._inputs = {"loop_count": self._count, **given}
        self._pool.put(context.node.id, given)

    def first(self) -> range:
        return self._next()

    def pool(self, index: int) -> Pool:
        return self._pool

    def ended(self, index: int, *, failure: Step | None = None, broke: bool = False) -> range:
        self._done = index + 1
        if failure is not None:
            self.outcome = NodeFailed(
                f"Round {index}: {failure.error}",
                code=failure.error_code or "loop_failed",
                kind="LoopNodeError",
                inputs=self._inputs,
            )
            return range(0)
        if broke:
            self._finish()
            return range(0)
        return self._next()

    def _next(self) -> range:
        try:
            if self._done >= self._count or self._breaks():
                self._finish()
                return range(0)
        except ConditionFailed as error:
            self.outcome = NodeFailed(str(error), code="condition_failed", inputs=self._inputs)
            return range(0)
        return range(self._done, self._done + 1)

    def _breaks(self) -> bool:
        conditions = self._config.break_conditions
        return bool(conditions) and holds(self._pool, conditions, self._config.logical_operator)

    def _finish(self) -> None:
        variables = dict(self._pool.scopes[self._context.node.id])
        outputs = {**variables, "loop_round": self._done}
        self.outcome = Outcome(outputs=outputs, inputs=self._inputs)


def _initial(row: LoopVariable, pool: Pool) -> Any:
    """Constants of lists and objects are written as JSON."""
    value = row.value
    if row.value_type == "variable":
        return pool.value(value if isinstance(value, list) else None)
    if isinstance(value, str) and row.var_type not in {"string", "secret"}:
        try:
            return json.loads(value)
        except ValueError:
            kind = f"{row.label} is no {row.var_type}"
            raise NodeFailed(kind, code="invalid_config", retryable=False) from None
    return value


class LoopKind(ContainerKind[LoopConfig]):
    name = "loop"
    config = LoopConfig

    def open(self, context: NodeContext, config: LoopConfig) -> LoopRounds:
        return LoopRounds(context, config)

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return names_in(data.get("loop_variables"), "label") | {"loop_round"}


KIND = LoopKind()
