"""What the runner is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from workflows.engine.graph import Graph
from workflows.engine.records import Change, Signal, Step, Wait


@dataclass(frozen=True, slots=True)
class RunTask:
    """A run as far as it has come. `steps` are those already durable, in order.

    `system`: query, files, conversation_id, user_id, app_id, workflow_id, workflow_run_id,
    timestamp, dialogue_count; `history` (earlier messages, {"role", "content"}) where there is one.
    """

    run_id: str
    organization_id: str
    trace_id: str
    definition: Mapping[str, Any] | Graph
    inputs: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] = field(default_factory=dict)
    actor: Any = None
    steps: tuple[Step, ...] = ()
    waits: tuple[Wait, ...] = ()
    signals: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    steps: int = 500
    seconds: float = 1200.0
    value: int = 4_194_304
    """Bytes that the outputs of a node, or of the run, have as JSON at most."""
    poll: float = 0.5
    """How often `control` is asked while nodes are at work, in seconds."""


class Journal(Protocol):
    """Where a run becomes durable."""

    async def commit(self, change: Change) -> bool:
        """Durable when it returns. False: another worker owns the run, stop and drop everything."""

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Live text, best effort: "delta" {"node_id", "text", "offset"}, offset in characters."""
