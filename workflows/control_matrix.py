"""What every command does to a run in every state: one table, which actions, pages and docs read.

A run in the hands of a worker that has been asked for something is told apart from one that has
not: `pausing` and `cancelling` are queued or running runs with that word in `control`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from workflows.errors import RunFinished, RunStateConflict
from workflows.models import Run

PAUSING, CANCELLING = "pausing", "cancelling"


class Command(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    TERMINATE = "terminate"
    RETRY = "retry"
    RERUN = "rerun"
    SKIP = "skip"
    SIGNAL = "signal"
    RESET = "reset"


State = Run.State
SAME = ("=",)
"""Success without a change: it is as asked already, so no event and no audit entry."""
NEW = ("new run",)
"""The run stays as it is; another one starts."""

_LIVE = (*Run.LIVE, PAUSING, CANCELLING)
_UNDONE = (State.FAILED, State.TIMED_OUT, State.CANCELLED, State.TERMINATED)
_ENDED = (State.SUCCEEDED, State.PARTIAL, *_UNDONE)
STANDINGS: tuple[str, ...] = tuple(str(each) for each in (*_LIVE, *_ENDED))
"""Every way a run can stand: its states, and the two of a run that was asked for something."""

_AGAIN = ("queued", "held")
"""Queued; held where the run has a concurrency key, for others may have taken its place."""

TABLE: Mapping[Command, Mapping[str, tuple[str, ...]]] = {
    Command.PAUSE: {
        State.SCHEDULED: ("paused",),
        State.HELD: ("paused",),
        State.QUEUED: ("paused",),
        State.RUNNING: (PAUSING,),
        State.WAITING: ("paused",),
        State.PAUSED: SAME,
        PAUSING: SAME,
    },
    Command.RESUME: {
        State.SCHEDULED: SAME,
        State.HELD: SAME,
        State.QUEUED: SAME,
        State.RUNNING: SAME,
        State.WAITING: SAME,
        State.PAUSED: ("queued", "held", "scheduled"),
        PAUSING: ("running", "queued"),
        State.PARKED: ("queued",),
    },
    Command.CANCEL: {
        State.SCHEDULED: ("cancelled",),
        State.HELD: ("cancelled",),
        State.QUEUED: ("cancelled", CANCELLING),
        State.RUNNING: (CANCELLING,),
        State.WAITING: ("cancelled", CANCELLING),
        State.PAUSED: ("cancelled", CANCELLING),
        State.PARKED: ("cancelled", CANCELLING),
        PAUSING: ("cancelled", CANCELLING),
        CANCELLING: SAME,
    },
    Command.TERMINATE: dict.fromkeys(map(str, _LIVE), ("terminated",)),
    Command.RETRY: dict.fromkeys(map(str, (State.PARTIAL, *_UNDONE)), _AGAIN),
    Command.RERUN: dict.fromkeys(STANDINGS, NEW),
    Command.SKIP: {
        State.QUEUED: ("queued",),
        State.RUNNING: ("running",),
        State.WAITING: ("queued",),
        State.PAUSED: ("paused",),
        State.PARKED: ("parked",),
        PAUSING: (PAUSING,),
        **dict.fromkeys(map(str, _UNDONE), _AGAIN),
    },
    Command.SIGNAL: {
        State.SCHEDULED: ("scheduled",),
        State.HELD: ("held",),
        State.QUEUED: ("queued",),
        State.RUNNING: ("running",),
        State.WAITING: ("queued",),
        State.PAUSED: ("paused",),
        State.PARKED: ("parked",),
        PAUSING: (PAUSING,),
    },
    Command.RESET: {
        State.QUEUED: ("queued",),
        State.RUNNING: ("queued",),
        State.WAITING: ("queued",),
        State.PAUSED: ("queued",),
        State.PARKED: ("queued",),
        PAUSING: ("queued",),
        **dict.fromkeys(map(str, _ENDED), _AGAIN),
    },
}
"""command -> how the run stands -> how it may stand afterwards. What is not there is refused."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the table says of one pair."""

    command: Command
    standing: str
    to: tuple[str, ...]

    @property
    def refused(self) -> bool:
        return not self.to

    @property
    def same(self) -> bool:
        return self.to == SAME


def standing(run: Run) -> str:
    """How a run stands, by its row alone."""
    if run.state in {State.QUEUED, State.RUNNING}:
        asked = {Run.Control.PAUSE: PAUSING, Run.Control.CANCEL: CANCELLING}
        return asked.get(Run.Control(run.control), str(run.state))
    return str(run.state)


def answer(run: Run, command: Command) -> Answer:
    found = standing(run)
    return Answer(command, found, TABLE[command].get(found, ()))


def require_allowed(run: Run, command: Command) -> Answer:
    """The pair's answer. Raises RunStateConflict.

    Cancelling what is over raises RunFinished, whose code is older than the table.
    """
    found = answer(run, command)
    if not found.refused:
        return found
    detail = {"state": found.standing, "command": str(command)}
    if command == Command.CANCEL and run.finished:
        raise RunFinished("The run is over already.", **detail)
    raise RunStateConflict(f"A run that is {found.standing} takes no {command}.", **detail)


def offered(run: Run) -> list[Command]:
    """The commands that would do something now, in the table's order: what a page shows."""
    found = (answer(run, command) for command in Command)
    return [each.command for each in found if not each.refused and not each.same]
