"""Deleting runs with all that hangs on them, and finding what hangs on a run that is gone.

Money, usage and the trail name runs by their ids alone and stay. Tasks and decisions are records of
people and stay too; they lose the way to the run.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.utils.timezone import now

from workflows.models import (
    ConcurrencySlot,
    Event,
    Run,
    RunLog,
    RunTag,
    RunValue,
    RunWait,
    Signal,
    Step,
)
from workflows.values import doom

logger = logging.getLogger(__name__)
PARTS = (Step, Event, RunWait, Signal, ConcurrencySlot, RunTag, RunLog)
WINDOW = 20_000
"""Rows of each table that one pass looks at for their runs."""
YOUNG = timedelta(hours=1)
"""A content this young may belong to a run that is just being stored."""


@dataclass(slots=True)
class Removed:
    """How much went, in rows."""

    runs: int = 0
    steps: int = 0
    events: int = 0
    values: int = 0

    def add(self, other: Removed) -> None:
        self.runs += other.runs
        self.steps += other.steps
        self.events += other.events
        self.values += other.values


@transaction.atomic
def remove_runs(pks: Sequence[int], *, wait: bool, **only: Any) -> Removed:
    """Delete these runs as far as `only` holds for them, with all rows of theirs.

    Their rows are locked first, so nothing is added to a run that goes; without `wait`, rows that
    somebody else holds are left out. The contents of large values are doomed, not erased: a rolled
    back transaction could not bring them back (`workflows.values.erase_doomed`).
    """
    rows = Run.objects.filter(pk__in=pks, **only).order_by("pk")
    found = rows.select_for_update(skip_locked=not wait).values_list("pk", "public_id")
    runs = dict(found)
    if not runs:
        return Removed()
    own = {model: _delete(model.objects.filter(run_id__in=list(runs))) for model in PARTS}
    return Removed(
        steps=own[Step],
        events=own[Event],
        values=doom(RunValue.objects.filter(run_public_id__in=list(runs.values()))),
        runs=_delete(Run.objects.filter(pk__in=list(runs))),
    )


def _delete(rows: Any) -> int:
    """One statement: Django's own way reads the rows first, with all that is in them."""
    deleted: int = rows._raw_delete(rows.db)  # noqa: SLF001 - there is no public way
    return deleted


def sweep_orphans(*, window: int = WINDOW) -> int:
    """Delete rows whose run is gone; returns how many.

    None can be born by what the product does. Who deletes runs by hand, or restores a part of a
    database, makes them. Walks on where the last pass stood, so a pass costs the same however many
    rows there are.
    """
    found = sum(_sweep(model, window) for model in PARTS)
    found += _sweep_values(window)
    if found:
        logger.warning("Rows of runs that are gone were deleted", extra={"rows": found})
    return found


def _sweep(model: Any, window: int) -> int:
    rows = list(_next(model, model.objects.all(), 0, window).values_list("pk", "run_id"))
    _stand_at(model, rows, window)
    named = {run for _, run in rows}
    known: set[int] = set()
    for some in _portions(named):
        known |= set(Run.objects.filter(pk__in=some).values_list("pk", flat=True))
    gone = named - known
    deleted = [_delete(model.objects.filter(run_id__in=some)) for some in _portions(gone)]
    return sum(deleted)


def _sweep_values(window: int) -> int:
    old = RunValue.objects.filter(created_at__lt=now() - YOUNG, doomed_at=None)
    first = "00000000-0000-0000-0000-000000000000"
    rows = list(_next(RunValue, old, first, window).values_list("pk", "run_public_id"))
    _stand_at(RunValue, rows, window)
    named = {run for _, run in rows}
    known: set[Any] = set()
    for some in _portions(named):
        known |= set(Run.objects.filter(public_id__in=some).values_list("public_id", flat=True))
    gone = [pk for pk, run in rows if run not in known]
    return sum(doom(RunValue.objects.filter(pk__in=some)) for some in _portions(gone))


def _portions(ids: Collection[Any], size: int = 1000) -> Iterator[list[Any]]:
    """What one statement can name."""
    rest = list(ids)
    for begin in range(0, len(rest), size):
        yield rest[begin : begin + size]


def _next(model: Any, rows: Any, first: Any, window: int) -> Any:
    return rows.filter(pk__gt=cache.get(_place(model)) or first).order_by("pk")[:window]


def _stand_at(model: Any, rows: list[Any], window: int) -> None:
    """Where the next pass begins; at the start again after the last row. Losing it is harmless."""
    if len(rows) == window:
        cache.set(_place(model), rows[-1][0], None)
    else:
        cache.delete(_place(model))


def _place(model: Any) -> str:
    return f"orphans-after:{model._meta.db_table}"
