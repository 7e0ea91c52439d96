"""What a run leaves behind, and what it is told: the words between the engine and its store."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunState(StrEnum):
    SCHEDULED = "scheduled"
    HELD = "held"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    PARKED = "parked"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial-succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed-out"


ENDED = frozenset(
    {
        RunState.SUCCEEDED,
        RunState.PARTIAL,
        RunState.FAILED,
        RunState.CANCELLED,
        RunState.TERMINATED,
        RunState.TIMED_OUT,
    }
)


GOOD = frozenset({RunState.SUCCEEDED, RunState.PARTIAL})


class StepStatus(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXCEPTION = "exception"
    """Failed, and the flow says how to go on."""
    SKIPPED = "skipped"
    """Never ran: somebody gave its outputs."""


@dataclass(frozen=True, slots=True)
class Step:
    """One settled execution of a node. Inserted once, never changed."""

    node_id: str
    kind: str
    started_at: datetime
    ended_at: datetime
    iteration: str = ""
    attempts: int = 1
    status: str = StepStatus.SUCCEEDED
    handle: str = "source"
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    error_code: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    cost: int = 0
    weight: int = 0
    """Bytes of the larger of inputs and outputs as JSON, measured when it settled; not stored."""


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the run's history, see `workflows.runner` for the kinds."""

    kind: str
    node_id: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """A node that rests until somebody answers or a time comes. `key` is the other side's."""

    node_id: str
    iteration: str
    kind: str
    key: str
    wake_at: datetime | None
    data: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """The answer to a wait, or (with a `name`) news for whichever node waits for that name."""

    node_id: str
    iteration: str
    payload: dict[str, Any]
    name: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something a node has to say about its work. `level`: debug info warning error."""

    level: str
    message: str
    node_id: str = ""
    iteration: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """All that becomes durable at once.

    `resolved` names waits by (node, iteration), `consumed` named signals by id.
    A `state` is present when the run rests or ends with this change; ended runs carry outputs
    (None unless they succeeded) and, when failed, `error`: {"code", "message", "node_id"}.
    """

    steps: tuple[Step, ...] = ()
    events: tuple[Event, ...] = ()
    waits: tuple[Wait, ...] = ()
    resolved: tuple[tuple[str, str], ...] = ()
    consumed: tuple[int, ...] = ()
    logs: tuple[LogLine, ...] = ()
    state: RunState | None = None
    outputs: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
