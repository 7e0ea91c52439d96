"""The interface of a run store, and what both databases share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from workflows.runner import ENDED, Change, LogLine, Signal, Step, Wait


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run this process now owns, with everything needed to go on."""

    pk: int
    public_id: UUID
    epoch: int
    organization_id: UUID
    workflow_id: UUID
    version_id: UUID
    trace_id: str
    inputs: dict[str, Any]
    system: dict[str, Any]
    wakes: int
    crashes: int
    seq: int
    control: str
    started_by_id: UUID | None
    api_key_id: UUID | None
    generation: int = 0
    deadline_at: datetime | None = None
    parent_id: int | None = None
    parent_node: str = ""
    parent_iteration: str = ""
    concurrency_key: str = ""
    steps: tuple[Step, ...] = ()
    waits: tuple[Wait, ...] = ()
    signals: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    """One change of one run, under the epoch it was claimed with."""

    run_pk: int
    epoch: int
    wakes: int
    change: Change
    at: datetime


@dataclass(frozen=True, slots=True)
class Committed:
    """`ok` False: somebody else owns the run, nothing was written."""

    ok: bool
    seq: int = 0
    control: str = ""
    state: str = ""
    wakes: int = 0


@dataclass(slots=True)
class Group:
    """All changes of one run in a batch, folded into one: a row is updated once a statement."""

    run_pk: int
    epoch: int
    wakes: int
    at: datetime
    steps: list[Step] = field(default_factory=list)
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    waits: dict[tuple[str, str], Wait] = field(default_factory=dict)
    resolved: dict[tuple[str, str], None] = field(default_factory=dict)
    consumed: list[int] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    state: str = ""
    outputs: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    def fold(self, change: Change) -> None:
        self.steps.extend(change.steps)
        self.events.extend((event.kind, event.node_id, event.data) for event in change.events)
        for place in change.resolved:
            self.waits.pop(place, None)
            self.resolved[place] = None
        for wait in change.waits:
            self.waits[wait.node_id, wait.iteration] = wait
            self.resolved.pop((wait.node_id, wait.iteration), None)
        self.consumed.extend(change.consumed)
        self.logs.extend(change.logs)
        self.state = change.state or self.state
        self.outputs = self.outputs if change.outputs is None else change.outputs
        self.error = self.error if change.error is None else change.error

    @property
    def tokens(self) -> int:
        return sum(int(step.usage.get("total_tokens") or 0) for step in self.steps)

    @property
    def cost(self) -> int:
        return sum(step.cost for step in self.steps)

    @property
    def ends(self) -> bool:
        return self.state in ENDED


def fold(commits: Sequence[Commit]) -> dict[tuple[int, int], Group]:
    """Changes by (run, epoch), each in order of arrival."""
    groups: dict[tuple[int, int], Group] = {}
    for commit in commits:
        key = (commit.run_pk, commit.epoch)
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(commit.run_pk, commit.epoch, commit.wakes, commit.at)
        group.fold(commit.change)
    return groups


class RunStore(Protocol):
    """Used by one worker, inside one event loop."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def claim(self, owner: UUID, limit: int) -> list[Claimed]:
        """Take up to `limit` queued runs: epoch + 1, owner set, steps and signals loaded.

        Organizations take turns. Fewer than `limit`: there is no more to take at this moment.
        """

    async def commit(self, commits: list[Commit]) -> list[Committed]:
        """Make all of it durable in one transaction; the fenced ones change nothing."""

    async def signals(self, run_pk: int) -> tuple[Signal, ...]:
        """All that was sent to the run and has not been taken yet."""

    async def definition(self, version_id: UUID) -> dict[str, Any]: ...
