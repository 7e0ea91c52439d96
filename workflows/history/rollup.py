"""Counting ended runs into hours, once each, and hours into days.

A run is due when it is over and `counted_epoch` is not its epoch: a partial index holds exactly
those, so nothing that commits late is missed and looking for nothing costs nothing. What is counted
and the mark on the run are one transaction: whoever is killed has counted whole runs or none. Two
at once take different runs, and touch the rows of hours in one order.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest
from django.utils.timezone import now

from workflows.history.sums import ROW_FIELDS, Sums
from workflows.history.tags import tag_ended
from workflows.models import RollupHour, Run, Step

RUNS, STEPS = 500, 20_000
"""What one transaction counts: so many runs, and no more once they have so many steps."""
SECONDS = 4.0
"""What one pass may take; the next goes on."""
HOURS_KEPT = 48
"""Hours are added into days when they are older; what is shown by the hour is younger."""
HOURS = 2_000
"""Rows of hours that one transaction adds into days."""
STEP_FIELDS = (
    "id", "run_id", "node_id", "kind", "status", "attempts", "error_code", "cost", "usage",
    "started_at", "ended_at",
)  # fmt: skip
Key = tuple[UUID, UUID, str, datetime, int]
"""Organization, workflow, node, hour, span."""
Kinds = dict[tuple[UUID, str], str]
"""By workflow and node."""


def uncounted() -> QuerySet[Run]:
    """Ends that the statistics do not hold yet."""
    rows: QuerySet[Run] = Run.objects.filter(ended_at__isnull=False)
    return rows.exclude(counted_epoch=F("epoch"))


def count_ended(*, seconds: float = SECONDS) -> int:
    """Count what has ended; returns how many runs. Safe to run at once, and to be killed."""
    until = time.monotonic() + seconds
    counted = 0
    while taken := count_some(uncounted().order_by("ended_at")):
        counted += taken
        if time.monotonic() > until:
            break
    return counted


def count_some(rows: QuerySet[Run]) -> int:
    """Count up to a transaction's worth of these runs; what others hold is left to them."""
    if not rows.exists():  # no lock for an idle look
        return 0
    with transaction.atomic():
        runs = _within(rows.select_for_update(skip_locked=True).only(*_RUN_FIELDS)[:RUNS])
        if not runs:
            return 0
        sums, kinds, last = _counted(runs)
        add_up(sums, kinds)
        # Whatever a run does after this has higher numbers than all there is now.
        Run.objects.filter(pk__in=[run.pk for run in runs]).update(
            counted_epoch=F("epoch"), counted_step=Greatest(F("counted_step"), last)
        )
        tag_ended(runs)
    return len(runs)


_RUN_FIELDS = (
    "id", "public_id", "organization_id", "workflow_id", "state", "epoch", "error", "source_id",
    "step_count", "created_at", "started_at", "ended_at", "counted_epoch", "counted_step",
)  # fmt: skip


def _within(rows: Iterable[Run]) -> list[Run]:
    runs: list[Run] = []
    steps = 0
    for run in rows:
        steps += run.step_count
        if runs and steps > STEPS:
            break
        runs.append(run)
    return runs


def _counted(runs: list[Run]) -> tuple[dict[Key, Sums], Kinds, int]:
    """Sums by key, the kinds of nodes, and the number of the last step that was read.

    A step counts with the end that it led to. The steps that a rerun was given by its source were
    counted there.
    """
    by_pk = {run.pk: run for run in runs}
    sums: defaultdict[Key, Sums] = defaultdict(Sums)
    kinds: Kinds = {}
    last = 0
    for run in runs:
        sums[_key(run)].end(run.state, _duration(run), _code(run))
    for row in Step.objects.filter(run__in=list(by_pk)).values_list(*STEP_FIELDS).iterator():
        pk, run_pk, node_id, kind, status, attempts, code, cost, usage, began, ended = row
        run = by_pk[run_pk]
        last = max(pk, last)
        if pk <= run.counted_step or (run.source_id and ended < run.created_at):
            continue
        used = (max(0, attempts - 1), int((usage or {}).get("total_tokens") or 0), cost)
        own = sums[_key(run, node_id)]
        own.end(status, (ended - began).total_seconds() * 1000, code)
        own.use(*used)
        sums[_key(run)].use(*used)
        kinds[run.workflow_id, node_id] = kind
    return sums, kinds, last


def _key(run: Run, node_id: str = "") -> Key:
    assert run.ended_at is not None  # nosec B101 # noqa: S101 - only ended runs are counted
    hour = run.ended_at.replace(minute=0, second=0, microsecond=0)
    return run.organization_id, run.workflow_id, node_id, hour, 1


def _duration(run: Run) -> float | None:
    """Of the first end alone: after a reset the start is not that of what ended."""
    if run.started_at is None or run.ended_at is None or run.counted_epoch >= 0:
        return None
    return max(0.0, (run.ended_at - run.started_at).total_seconds() * 1000)


def _code(run: Run) -> str:
    if run.state not in {Run.State.FAILED, Run.State.TIMED_OUT}:
        return ""
    return str((run.error or {}).get("code") or "unknown")[:60]


def add_up(sums: Mapping[Key, Sums], kinds: Kinds) -> None:
    """Add to the rows of these keys, which are made where they are missing. In a transaction."""
    empty = [
        RollupHour(
            organization_id=organization, workflow_id=workflow, node_id=node, hour=hour, span=span,
            kind=kinds.get((workflow, node), ""),
        )
        for organization, workflow, node, hour, span in sorted(sums, key=str)
    ]  # fmt: skip
    RollupHour.objects.bulk_create(empty, ignore_conflicts=True, batch_size=500)
    by_key = {key[1:]: found for key, found in sums.items()}
    changed = [row for rows in _locked(sums) for row in rows]
    for row in changed:
        by_key[row.workflow_id, row.node_id, row.hour, row.span].onto(row)
        row.pk = None
    # As an upsert: Django's own update of many rows costs ten times as much.
    RollupHour.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=("workflow", "node_id", "hour", "span"),
        update_fields=ROW_FIELDS,
        batch_size=500,
    )


def _locked(keys: Iterable[Key]) -> Iterable[list[RollupHour]]:
    """The rows of the keys, hour by hour, locked in one order for all who add."""
    groups: defaultdict[tuple[datetime, int], set[tuple[UUID, str]]] = defaultdict(set)
    for _, workflow, node, hour, span in keys:
        groups[hour, span].add((workflow, node))
    for (hour, span), wanted in sorted(groups.items()):
        rows = RollupHour.objects.filter(
            workflow__in={workflow for workflow, _ in wanted},
            node_id__in={node for _, node in wanted},
            hour=hour,
            span=span,
        )
        locked = rows.select_for_update().order_by("pk")
        yield [row for row in locked if (row.workflow_id, row.node_id) in wanted]


# -- hours into days, and their end


def tidy_rollups(*, at: datetime | None = None, seconds: float = SECONDS) -> tuple[int, int]:
    """Add old hours into days and delete old days; returns how many rows of each went."""
    at = at or now()
    until = time.monotonic() + seconds
    added = 0
    while taken := _into_days(at - timedelta(hours=HOURS_KEPT)):
        added += taken
        if time.monotonic() > until:
            break
    return added, _forget(at - timedelta(days=settings.STATISTICS_DAYS))


@transaction.atomic
def _into_days(before: datetime) -> int:
    midnight = before.replace(hour=0, minute=0, second=0, microsecond=0)
    old = RollupHour.objects.filter(span=1, hour__lt=midnight).order_by("hour", "pk")
    rows = list(old.select_for_update(skip_locked=True)[:HOURS])
    sums: defaultdict[Key, Sums] = defaultdict(Sums)
    kinds: Kinds = {}
    for row in rows:
        day = row.hour.replace(hour=0)
        sums[row.organization_id, row.workflow_id, row.node_id, day, 24].add(row)
        kinds[row.workflow_id, row.node_id] = row.kind
    if rows:
        add_up(sums, kinds)
        RollupHour.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def _forget(before: datetime) -> int:
    old = RollupHour.objects.filter(hour__lt=before).order_by("pk").values_list("pk", flat=True)
    deleted, _ = RollupHour.objects.filter(pk__in=list(old[:HOURS])).delete()
    return int(deleted)
