"""What a run has come to since its last change was made durable."""

from typing import Any

from workflows.engine.records import Change, Event, LogLine, Step, Wait

Place = tuple[str, str]
"""A node and the round of its containers it stands in, as in `Step.iteration`."""


class Buffer:
    """Collects the next change. A wait and its end before that leave no trace of the wait."""

    __slots__ = ("_consumed", "_resolved", "_waits", "events", "logs", "steps", "urgent")

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self.logs: list[LogLine] = []
        self._waits: dict[Place, Wait] = {}
        self._resolved: dict[Place, None] = {}
        self._consumed: list[int] = []
        self.urgent = False
        """It holds something that must not wait for company: the step of an effect, a wait."""

    def event(self, kind: str, node_id: str = "", data: dict[str, Any] | None = None) -> None:
        self.events.append(Event(kind, node_id, data or {}))

    def wait(self, wait: Wait) -> None:
        place = wait.node_id, wait.iteration
        self._waits[place] = wait
        self._resolved.pop(place, None)
        self.urgent = True

    def resolve(self, place: Place) -> None:
        self._waits.pop(place, None)
        self._resolved[place] = None

    def consume(self, signal_id: int) -> None:
        self._consumed.append(signal_id)

    def change(self, **end: Any) -> Change:
        """All of it; the buffer is empty afterwards."""
        change = Change(
            steps=tuple(self.steps),
            events=tuple(self.events),
            waits=tuple(self._waits.values()),
            resolved=tuple(self._resolved),
            consumed=tuple(self._consumed),
            logs=tuple(self.logs),
            **end,
        )
        for held in (self.steps, self.events, self.logs, self._waits, self._resolved):
            held.clear()
        self._consumed.clear()
        self.urgent = False
        return change
