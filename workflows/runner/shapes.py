"""What the runner is given."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
    generation: int = 0
    deadline: datetime | None = None
    steps: tuple[Step, ...] = ()
    waits: tuple[Wait, ...] = ()
    signals: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    steps: int = 500
    """Of the flow itself; those inside containers count for `inner`."""
    inner: int = 100_000
    seconds: float = 1200.0
    """Of one stretch of work; waits between do not count."""
    parallel: int = 1000
    """Effects of one run at work at a time."""
    rest: float = 2.0
    """A wait shorter than this many seconds is spent awake."""
    grace: float = 5.0
    """Seconds that nodes at work get to stop in when the run ends."""
    value: int = 4_194_304
    """Bytes that the outputs of a node, or of the run, have as JSON at most."""
    poll: float = 0.5
    """How often `control` is asked while nodes are at work, in seconds."""


@dataclass(slots=True)
class Outside:
    """What reaches a run while it is in hand. `heard` is called when there is news.

    `control`: what somebody asks of it, see `Run.Control`; `wakes` counts what was sent to it,
    `seen` is how much of that it knows, and `fetch` brings the rest.
    """

    control: str = ""
    wakes: int = 0
    seen: int = 0
    heard: Callable[[], None] | None = None
    fetch: Callable[[], Awaitable[tuple[Signal, ...]]] | None = None

    def tell(self, control: str, wakes: int) -> None:
        if (control, wakes) != (self.control, self.wakes):
            self.control, self.wakes = control, max(wakes, self.wakes)
            if self.heard:
                self.heard()


class Journal(Protocol):
    """Where a run becomes durable."""

    async def commit(self, change: Change) -> bool:
        """Durable when it returns. False: another worker owns the run, stop and drop everything."""

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Live text, best effort: "delta" {"node_id", "text", "offset"}, offset in characters."""
