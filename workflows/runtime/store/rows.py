"""Between the rows of the tables and the runner's shapes."""

from __future__ import annotations

from typing import Any

from workflows.models import RunLog
from workflows.models.history import LONGEST_MESSAGE
from workflows.runner import LogLine, Signal, Step, Wait

STEP_FIELDS = (
    "run_id", "node_id", "iteration", "kind", "status", "handle", "attempts", "inputs", "outputs",
    "error", "error_code", "usage", "cost", "started_at", "ended_at",
)  # fmt: skip
WAIT_FIELDS = ("run_id", "node_id", "iteration", "kind", "key", "wake_at", "data", "created_at")
MOST_LOGS = 10_000
"""Lines that are kept of one run, the first ones; what it says beyond them is dropped."""
LEVELS = frozenset(RunLog.Level.values)
SIGNAL_FIELDS = ("run_id", "node_id", "iteration", "payload", "name", "id")


def step_of(row: tuple[Any, ...]) -> Step:
    return Step(**dict(zip(STEP_FIELDS[1:], row[1:], strict=True)))


def wait_of(row: tuple[Any, ...]) -> Wait:
    return Wait(**dict(zip(WAIT_FIELDS[1:], row[1:], strict=True)))


def signal_of(row: tuple[Any, ...]) -> Signal:
    return Signal(**dict(zip(SIGNAL_FIELDS[1:], row[1:], strict=True)))


def log_row(line: LogLine) -> dict[str, Any]:
    """Within the bounds of its columns. Without a time of its own the database gives it one."""
    return {
        "node_id": line.node_id[:100],
        "iteration": line.iteration[:100],
        "level": line.level if line.level in LEVELS else RunLog.Level.INFO.value,
        "message": line.message[:LONGEST_MESSAGE],
        "at": line.at,
    }
