"""Concurrency keys: who of a workflow's runs with the same key may be live, and who is next.

A slot is a row that names its run. All that counts or moves slots of a key does so under the lock
of that key, which lasts to the end of the transaction. Order of locks: a run's row, then the key,
then rows of held runs, and those never by waiting; so two who end and admit cannot deadlock.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import timedelta
from types import EllipsisType
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.timezone import now

from core.bus import get_bus
from core.database import database_now, lock_name
from core.queue import enqueue
from workflows.models import ConcurrencySlot, Event, Run, RunPolicy
from workflows.runtime.channels import channel_of

LONGEST_KEY = 200
SHARED = "*"
"""The key of runs without one of their own: those of a workflow that only says how many."""
FILLED_AT_ONCE = 100
"""Held runs that one transaction lets go where nothing bounds them any more."""
REFERENCE = re.compile(r"\{\{\s*inputs\.([A-Za-z_]\w*(?:\.\w+)*)\s*\}\}")


def render_key(template: str, inputs: dict[str, Any]) -> str:
    """`template` with its `{{ inputs.name }}` filled in; what is missing is empty.

    At most LONGEST_KEY characters: a longer one ends in a digest of the whole. Without any text it
    is the key that all such runs of the workflow share.
    """

    def said(match: re.Match[str]) -> str:
        value: Any = inputs
        for name in match[1].split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)

    key = REFERENCE.sub(said, template).replace("\0", "").strip() or SHARED
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
    return f"{key[: LONGEST_KEY - 65]}:{digest}"


def policy_of(workflow_id: UUID) -> RunPolicy | None:
    found: RunPolicy | None = RunPolicy.objects.filter(workflow_id=workflow_id).first()
    return found


def admit(run: Run, *, policy: RunPolicy | EllipsisType | None = ...) -> str:
    """QUEUED or HELD: how a run that starts, or goes live again, comes into the queue.

    For every way into the queue but going on from a wait: a start, a delay that is over, a retry,
    a reset, a resumption. In a transaction that holds the run's row (or has just inserted it);
    the caller sets the state that comes back, saves it and `deadline_at`, and writes the event.
    A run that still has its slot keeps it; one without a key needs none. `deadline_at` is set from
    the policy where the run has none, or one that is over: time held back does not count.
    `policy`: the workflow's, where the caller has just read it.
    """
    policy = policy_of(run.workflow_id) if isinstance(policy, EllipsisType) else policy
    if run.concurrency_key and not _take(run, policy):
        return Run.State.HELD
    _set_deadline([run], policy)
    return Run.State.QUEUED


def _take(run: Run, policy: RunPolicy | None) -> bool:
    _lock(run.workflow_id, run.concurrency_key)
    if ConcurrencySlot.objects.filter(run=run).exists():
        return True
    _fill(run.workflow_id, run.concurrency_key, policy)
    free = _free(run.workflow_id, run.concurrency_key, policy)
    if free is not None and free <= 0:
        return False
    _hold([run])
    return True


def release(run: Run) -> None:
    """Give the slot of a run that is over back, and queue who is next. May be repeated.

    In a transaction that holds the run's row; a run without a key costs nothing.
    """
    if not run.concurrency_key:
        return
    _lock(run.workflow_id, run.concurrency_key)
    taken, _ = ConcurrencySlot.objects.filter(run=run).delete()
    if taken:
        _fill(run.workflow_id, run.concurrency_key, policy_of(run.workflow_id))


@transaction.atomic
def settle(workflow_id: UUID, key: str) -> int:
    """Take slots from runs of this key that are over or gone, and queue who is next.

    What is right already stays as it is. Returns how many runs were queued.
    """
    _lock(workflow_id, key)
    slots = ConcurrencySlot.objects.filter(workflow_id=workflow_id, key=key)
    live = Run.objects.filter(state__in=Run.LIVE, pk__in=slots.values("run_id"))
    slots.exclude(run_id__in=list(live.values_list("pk", flat=True))).delete()
    return _fill(workflow_id, key, policy_of(workflow_id))


def rivals(run: Run) -> list[UUID]:
    """Ids of live runs with the same key that came before: who holds it, and who waits for it."""
    rows = Run.objects.filter(workflow_id=run.workflow_id, concurrency_key=run.concurrency_key)
    rows = rows.filter(pk__lt=run.pk)
    holders = ConcurrencySlot.objects.filter(workflow_id=run.workflow_id, key=run.concurrency_key)
    holding = rows.filter(pk__in=holders.values("run_id"), state__in=Run.LIVE)
    held = rows.filter(state=Run.State.HELD).order_by()
    return [
        *held.values_list("public_id", flat=True),
        *holding.order_by().values_list("public_id", flat=True),
    ]


def waiting_before(run: Run) -> QuerySet[Run]:
    """Held runs with the same key that came before, locked; who is busy is left out."""
    rows = Run.objects.select_for_update(skip_locked=True).filter(
        workflow_id=run.workflow_id, concurrency_key=run.concurrency_key, state=Run.State.HELD
    )
    found: QuerySet[Run] = rows.filter(pk__lt=run.pk)
    return found


def _lock(workflow_id: UUID, key: str) -> None:
    lock_name(f"concurrency:{workflow_id}:{key}")


def _free(workflow_id: UUID, key: str, policy: RunPolicy | None) -> int | None:
    """Slots that nobody holds; None where nothing bounds the key (any more)."""
    at_once = policy.at_once if policy else None
    if at_once is None:
        return None
    return at_once - ConcurrencySlot.objects.filter(workflow_id=workflow_id, key=key).count()


def _fill(workflow_id: UUID, key: str, policy: RunPolicy | None) -> int:
    """Queue held runs of the key while slots are free: the highest priority, then the oldest."""
    free = _free(workflow_id, key, policy)
    most = FILLED_AT_ONCE if free is None else min(free, FILLED_AT_ONCE)
    if most <= 0:
        return 0
    rows = Run.objects.select_for_update(skip_locked=True).filter(
        workflow_id=workflow_id, concurrency_key=key, state=Run.State.HELD
    )
    rows = rows.order_by("-priority", "pk").defer("inputs", "outputs", "system")
    found = list(rows[:most])
    if found:
        _hold(found)
        queue_runs(found, policy)
    return len(found)


def _hold(runs: Iterable[Run]) -> None:
    ConcurrencySlot.objects.bulk_create(
        ConcurrencySlot(
            organization_id=run.organization_id,
            workflow_id=run.workflow_id,
            key=run.concurrency_key,
            run=run,
        )
        for run in runs
    )


def queue_runs(runs: list[Run], policy: RunPolicy | None) -> None:
    """Held or delayed runs of one workflow, locked, come into the queue; with their events."""
    _set_deadline(runs, policy)
    at = now()
    for run in runs:
        run.state = Run.State.QUEUED
        run.seq += 1
    Run.objects.bulk_update(runs, ["state", "seq", "deadline_at"])
    Event.objects.bulk_create(
        Event(organization_id=run.organization_id, run=run, seq=run.seq, kind="run.queued", at=at)
        for run in runs
    )
    announce(runs)


def _set_deadline(runs: Iterable[Run], policy: RunPolicy | None) -> None:
    if policy is None or not policy.run_timeout_seconds:
        return
    at = database_now()
    for run in runs:
        if run.deadline_at is None or run.deadline_at <= at:
            run.deadline_at = at + timedelta(seconds=policy.run_timeout_seconds)


def announce(runs: Iterable[Run]) -> None:
    """After the commit: engines hear that runs are ready, watchers of an event."""
    hints = [(channel_of(run.public_id), {"seq": run.seq}) for run in runs]

    def publish() -> None:
        for channel, hint in hints:
            get_bus().publish_now(channel, hint)

    transaction.on_commit(publish, robust=True)
    enqueue("workflows.tasks.pump")
