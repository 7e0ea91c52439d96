"""Runs in SQLite: one writer thread, one IMMEDIATE transaction a batch."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction
from django.db.models import Count, F, Max
from django.utils.timezone import now

from core.jsonsafe import clean
from workflows import runner as records
from workflows.models import Event, Run, RunLog, RunWait, Signal, Step, WorkflowVersion
from workflows.models.values import row_value
from workflows.runtime.store.base import Claimed, Commit, Committed, Group, fold
from workflows.runtime.store.rows import (
    MOST_LOGS,
    SIGNAL_FIELDS,
    STEP_FIELDS,
    WAIT_FIELDS,
    log_row,
    signal_of,
    step_of,
    wait_of,
)

T = TypeVar("T")


class SqliteStore:
    """All calls queue for the one thread, so writers of this process never fight for the file."""

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="run-store")

    async def open(self) -> None:
        """Nothing to prepare: the thread opens its connection on first use."""

    async def close(self) -> None:
        await self._call(connections.close_all)
        self._writer.shutdown()

    async def claim(self, owner: UUID, limit: int) -> list[Claimed]:
        return await self._call(_claim, owner, limit)

    async def commit(self, commits: list[Commit]) -> list[Committed]:
        return await self._call(_commit, commits)

    async def signals(self, run_pk: int) -> tuple[records.Signal, ...]:
        return await self._call(_signals, run_pk)

    async def definition(self, version_id: UUID) -> dict[str, Any]:
        return await self._call(_definition, version_id)

    async def _call(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *args)


def _definition(version_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = WorkflowVersion.objects.values_list("definition", flat=True).get(
        pk=version_id
    )
    return found


def _signals(run_pk: int) -> tuple[records.Signal, ...]:
    rows = Signal.objects.filter(run=run_pk).order_by("pk").values_list(*SIGNAL_FIELDS)
    return tuple(map(signal_of, rows))


def _claim(owner: UUID, limit: int) -> list[Claimed]:
    if not Run.objects.filter(state=Run.State.QUEUED).exists():  # no write lock for an idle look
        return []
    with transaction.atomic():
        pks = _fair(limit)
        mine = Run.objects.filter(pk__in=pks)
        mine.filter(started_at=None).update(started_at=now())
        mine.update(state=Run.State.RUNNING, epoch=F("epoch") + 1, owner=owner)
        return [_claimed(run, *rest) for run, *rest in _with_rows(list(mine.order_by("pk")))]


def _fair(limit: int) -> list[int]:
    """Organizations take turns; inside one the highest priority, then the oldest.

    Those with the fewest runs under way come first, so that claims of one run are fair as well.
    """
    cap = settings.ENGINE_ORGANIZATION_SLOTS
    queued = Run.objects.filter(state=Run.State.QUEUED)
    waiting = queued.order_by().values_list("organization_id", flat=True).distinct()
    busy = _busy()
    turns: list[tuple[int, int, int]] = []
    for place, organization_id in enumerate(waiting):
        at_work = busy.get(organization_id, 0)
        room = min(limit, cap - at_work) if cap else limit
        rows = queued.filter(organization_id=organization_id).order_by("-priority", "pk")
        pks = rows.values_list("pk", flat=True)[: max(room, 0)]
        turns.extend((at_work + n, place, pk) for n, pk in enumerate(pks))
    return [pk for _, _, pk in sorted(turns)[:limit]]


def _busy() -> dict[UUID, int]:
    running = Run.objects.filter(state=Run.State.RUNNING).order_by()
    counted = running.values("organization_id").annotate(n=Count("pk"))
    return dict(counted.values_list("organization_id", "n"))


def _with_rows(runs: list[Run]) -> list[tuple[Any, ...]]:
    pks = [run.pk for run in runs]
    steps, waits, signals = (defaultdict(list) for _ in range(3))
    for row in Step.objects.filter(run__in=pks).order_by("pk").values_list(*STEP_FIELDS):
        steps[row[0]].append(step_of(row))
    for row in RunWait.objects.filter(run__in=pks).values_list(*WAIT_FIELDS):
        waits[row[0]].append(wait_of(row))
    for row in Signal.objects.filter(run__in=pks).order_by("pk").values_list(*SIGNAL_FIELDS):
        signals[row[0]].append(signal_of(row))
    return [(run, steps[run.pk], waits[run.pk], signals[run.pk]) for run in runs]


def _claimed(run: Run, steps: list[Any], waits: list[Any], signals: list[Any]) -> Claimed:
    return Claimed(
        pk=run.pk,
        public_id=run.public_id,
        epoch=run.epoch,
        organization_id=run.organization_id,
        workflow_id=run.workflow_id,
        version_id=run.version_id,
        trace_id=run.trace_id,
        inputs=row_value(run, "inputs"),
        system=row_value(run, "system"),
        wakes=run.wakes,
        crashes=run.crashes,
        seq=run.seq,
        control=run.control,
        started_by_id=run.started_by_id,
        api_key_id=run.api_key_id,
        generation=run.generation,
        deadline_at=run.deadline_at,
        parent_id=run.parent_id,
        parent_node=run.parent_node,
        parent_iteration=run.parent_iteration,
        concurrency_key=run.concurrency_key,
        steps=tuple(steps),
        waits=tuple(waits),
        signals=tuple(signals),
    )


def _commit(commits: list[Commit]) -> list[Committed]:
    with transaction.atomic():
        done = {key: _write(group) for key, group in fold(commits).items()}
    return [done[commit.run_pk, commit.epoch] for commit in commits]


def _write(group: Group) -> Committed:
    run = Run.objects.filter(pk=group.run_pk, epoch=group.epoch, state=Run.State.RUNNING).first()
    if run is None:
        return Committed(ok=False)
    base = run.seq
    _update(run, group)
    _insert(run, group, base)
    for node_id, iteration in group.resolved:
        RunWait.objects.filter(run=run, node_id=node_id, iteration=iteration).delete()
        Signal.objects.filter(run=run, node_id=node_id, iteration=iteration).delete()
    if group.consumed:
        Signal.objects.filter(run=run, pk__in=group.consumed).delete()
    return Committed(ok=True, seq=run.seq, control=run.control, state=run.state, wakes=run.wakes)


def _update(run: Run, group: Group) -> None:
    run.seq += len(group.events)
    run.step_count += len(group.steps)
    run.tokens += group.tokens
    run.cost += group.cost
    if group.steps:
        run.crashes = 0
    if group.state:
        run.state, run.owner = _state_after(run, group), None
    if group.outputs is not None:
        run.outputs = clean(group.outputs)
    run.error = run.error if group.error is None else clean(group.error)
    run.ended_at = group.at if group.ends else run.ended_at
    run.save(
        update_fields=[
            "seq", "step_count", "tokens", "cost", "state", "owner", "outputs", "error", "ended_at",
            "crashes",
        ]
    )  # fmt: skip


def _state_after(run: Run, group: Group) -> str:
    """What was asked of the run while it worked decides how it rests."""
    if group.state == Run.State.WAITING:
        if run.control == Run.Control.PAUSE:
            return Run.State.PAUSED
        if run.wakes != group.wakes or run.control == Run.Control.CANCEL:
            return Run.State.QUEUED
    if group.state == Run.State.PAUSED and run.control != Run.Control.PAUSE:
        return Run.State.QUEUED
    return group.state


def _insert(run: Run, group: Group, base: int) -> None:
    shared = {"organization_id": run.organization_id, "run_id": run.pk}
    Step.objects.bulk_create(
        Step(**shared, **{name: clean(getattr(step, name)) for name in STEP_FIELDS[1:]})
        for step in group.steps
    )
    Event.objects.bulk_create(
        Event(**shared, seq=base + n, kind=kind, node_id=node, data=clean(data), at=group.at)
        for n, (kind, node, data) in enumerate(group.events, start=1)
    )
    RunWait.objects.bulk_create(
        (
            RunWait(**shared, **{name: clean(getattr(wait, name)) for name in WAIT_FIELDS[1:-1]})
            for wait in group.waits.values()
        ),
        update_conflicts=True,
        unique_fields=["run", "node_id", "iteration"],
        update_fields=["kind", "key", "wake_at", "data"],
    )
    if group.logs:
        _insert_logs(run, group, shared)


def _insert_logs(run: Run, group: Group, shared: dict[str, Any]) -> None:
    last = RunLog.objects.filter(run=run).aggregate(last=Max("seq"))["last"] or 0
    lines = group.logs[: max(0, MOST_LOGS - last)]
    rows = [clean(log_row(line)) for line in lines]
    RunLog.objects.bulk_create(
        RunLog(**shared, **{**row, "seq": last + n, "at": line.at or group.at})
        for n, (row, line) in enumerate(zip(rows, lines, strict=True), start=1)
    )
