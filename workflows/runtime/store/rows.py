"""Between the rows of the tables and the runner's shapes."""

from __future__ import annotations

from typing import Any

from workflows.runner import Signal, Step, Wait

STEP_FIELDS = (
    "run_id", "node_id", "iteration", "kind", "status", "handle", "attempts", "inputs", "outputs",
    "error", "error_code", "usage", "cost", "started_at", "ended_at",
)  # fmt: skip
WAIT_FIELDS = ("run_id", "node_id", "iteration", "kind", "key", "wake_at", "data", "created_at")
SIGNAL_FIELDS = ("run_id", "node_id", "iteration", "payload", "name", "id")


def step_of(row: tuple[Any, ...]) -> Step:
    return Step(**dict(zip(STEP_FIELDS[1:], row[1:], strict=True)))


def wait_of(row: tuple[Any, ...]) -> Wait:
    return Wait(**dict(zip(WAIT_FIELDS[1:], row[1:], strict=True)))


def signal_of(row: tuple[Any, ...]) -> Signal:
    return Signal(**dict(zip(SIGNAL_FIELDS[1:], row[1:], strict=True)))
