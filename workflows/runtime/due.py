"""What the sweep does by the clock: delays that are over, runs past their time, keys let go."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from core.database import is_postgres
from workflows.models import ConcurrencySlot, Run, RunPolicy
from workflows.runtime.asking import take_back_tasks
from workflows.runtime.ending import end_run, note_event
from workflows.runtime.slots import admit, announce, queue_runs, settle

AT_ONCE = 200
KEYS = 200
"""Keys with held runs that one look goes through."""
LATE = timedelta(seconds=30)
"""What a worker is given to end a run of its own that is past its time."""

_HELD_KEYS = """
WITH RECURSIVE k AS (
  (SELECT workflow_id, concurrency_key, 1 AS n FROM workflows_run WHERE state = 'held'
   ORDER BY workflow_id, concurrency_key LIMIT 1)
  UNION ALL
  SELECT x.workflow_id, x.concurrency_key, k.n + 1 FROM k CROSS JOIN LATERAL (
    SELECT workflow_id, concurrency_key FROM workflows_run
    WHERE state = 'held' AND (workflow_id, concurrency_key) > (k.workflow_id, k.concurrency_key)
    ORDER BY workflow_id, concurrency_key LIMIT 1) x
  WHERE k.n < %s
)
SELECT workflow_id, concurrency_key FROM k
"""


def start_due(at: datetime) -> None:
    """Delayed runs whose time has come are queued, or held where their key is taken."""
    due = Run.objects.filter(state=Run.State.SCHEDULED, not_before__lte=at).order_by("not_before")
    found = list(due.values_list("pk", "workflow_id", "concurrency_key")[:AT_ONCE])
    plain: dict[UUID, list[int]] = defaultdict(list)
    for pk, workflow_id, key in found:
        if key:
            _start(pk)
        else:
            plain[workflow_id].append(pk)
    for workflow_id, pks in plain.items():
        _start_plain(workflow_id, pks)


def _due(pks: list[int]) -> list[Run]:
    rows = Run.objects.select_for_update(skip_locked=True).filter(
        pk__in=pks, state=Run.State.SCHEDULED
    )
    return list(rows.order_by("pk").defer("inputs", "outputs", "system"))


@transaction.atomic
def _start_plain(workflow_id: UUID, pks: list[int]) -> None:
    if runs := _due(pks):
        queue_runs(runs, RunPolicy.objects.filter(workflow_id=workflow_id).first())


@transaction.atomic
def _start(pk: int) -> None:
    for run in _due([pk]):
        run.state = admit(run)
        note_event(run, f"run.{run.state}")
        run.save(update_fields=["state", "seq", "deadline_at"])
        announce([run])


def time_out(at: datetime) -> None:
    """End runs past their deadline. Who has one in hand ends it by itself, unless it is stuck."""
    overdue = Run.objects.filter(ended_at=None, deadline_at__lte=at, state__in=Run.LIVE)
    overdue = overdue.exclude(state=Run.State.RUNNING, deadline_at__gt=at - LATE)
    for pk in list(overdue.order_by("deadline_at").values_list("pk", flat=True)[:AT_ONCE]):
        _time_out(pk, at)


@transaction.atomic
def _time_out(pk: int, at: datetime) -> None:
    # Tasks before the run: a decision locks in the same order, so the two cannot deadlock.
    take_back_tasks(Run.objects.only("organization", "trace_id", "public_id").get(pk=pk),
                    "The time for the run is up.")  # fmt: skip
    run = Run.objects.select_for_update(skip_locked=True).filter(pk=pk, deadline_at__lte=at).first()
    if run is None or run.finished:
        return
    message = "The time for the run is up."
    error = {"code": "run_timeout", "message": message, "node_id": ""}
    end_run(run, Run.State.TIMED_OUT, error=error, data={"error": error})


def let_go() -> None:
    """Queue held runs whose key is free, which a crash or a change of policy can leave behind."""
    for workflow_id, key in _held_keys():
        if _is_free(workflow_id, key):
            settle(workflow_id, key)


def _is_free(workflow_id: UUID, key: str) -> bool:
    policy = RunPolicy.objects.filter(workflow_id=workflow_id).first()
    at_once = policy.at_once if policy else None
    if at_once is None:
        return True
    slots = ConcurrencySlot.objects.filter(workflow_id=workflow_id, key=key)
    return slots.filter(run__state__in=Run.LIVE).count() < at_once


def _held_keys() -> list[tuple[UUID, str]]:
    """From key to key in the index, however many runs are held under one."""
    held = Run.objects.filter(state=Run.State.HELD)
    if not held.exists():
        return []
    if is_postgres():
        with connection.cursor() as cursor:
            cursor.execute(_HELD_KEYS, (KEYS,))
            return list(cursor.fetchall())
    rows = held.order_by().values_list("workflow_id", "concurrency_key").distinct()
    return list(rows[:KEYS])


def give_back() -> None:
    """Slots of runs whose worker died between their end and its clearing away."""
    slots = ConcurrencySlot.objects.exclude(run__state__in=Run.LIVE).order_by()
    for workflow_id, key in set(slots.values_list("workflow_id", "key")[:AT_ONCE]):
        settle(workflow_id, key)
