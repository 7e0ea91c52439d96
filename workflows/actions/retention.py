"""How long runs are kept, and deleting what is older.

Of the organization's days and the workflow's own the fewer hold: who edits a workflow may keep less
of it than the organization allows, never more.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce, Least
from django.utils.timezone import now
from django.utils.translation import gettext as _

from audit.actions import record
from bpm.models import ProcessInfo
from core.errors import InvalidInput, NotFound
from orgs.access import Actor, require, system_actor
from orgs.actions.retention import LONGEST, SHORTEST
from workflows.history.rollup import count_some, uncounted
from workflows.models import Run, Workflow
from workflows.removal import Removed, remove_runs
from workflows.runtime.sweep import HUMAN_INPUT, take_back_tasks

logger = logging.getLogger(__name__)
RUNS, ROWS = 200, 5_000
"""What one transaction deletes: so many runs, and no more once their rows are this many."""
SECONDS = 45.0
"""What one pass may take; the next goes on."""
ENDED = tuple(state for state in Run.State if state not in Run.LIVE)
PAUSE = 0.01
"""Seconds between two transactions, for whoever else wants to write."""


@transaction.atomic
def set_workflow_retention(*, actor: Actor, workflow_id: UUID, days: int | None) -> Workflow:
    """Keep the workflow's runs for `days`, or as long as the organization does (None).

    What is older goes with the next pass, for good. Raises InvalidInput.
    """
    found = Workflow.objects.visible_to(actor).filter(pk=workflow_id).first()
    if found is None:
        raise NotFound("There is no such workflow.")
    require(actor, "workflow.edit", found)
    if days is not None and not SHORTEST <= days <= LONGEST:
        raise InvalidInput(
            _("Runs are kept for at least one day."), field="days", least=SHORTEST, most=LONGEST
        )
    workflow: Workflow = Workflow.objects.select_for_update().get(pk=found.pk)
    before, workflow.run_retention_days = workflow.run_retention_days, days
    if before != days:
        workflow.save(update_fields=["run_retention_days", "updated_at"])
        record(
            "workflows.workflow.retention_changed",
            actor=actor,
            target_type="workflow",
            target_id=workflow.pk,
            summary=workflow.name,
            before={"days": before},
            after={"days": days},
            project_id=workflow.project_id,
        )
    return workflow


def kept_days(workflow: Workflow) -> int | None:
    """How long the workflow's runs are kept in effect; None: for ever."""
    said = (workflow.run_retention_days, workflow.organization.run_retention_days)
    return min((days for days in said if days is not None), default=None)


@dataclass(slots=True)
class _Due:
    """A workflow with runs that are older than it keeps, and how far a pass has come with them."""

    workflow_id: UUID
    organization_id: UUID
    before: datetime
    after: tuple[datetime, int] | None = None


def prune_runs(*, seconds: float = SECONDS) -> Removed:
    """Delete finished runs that are older than is kept; returns how much went.

    Workflow after workflow gets a transaction in turn, so that one with a great many does not keep
    the others waiting. Safe to run twice at once, and to be killed: a transaction took whole runs
    or nothing. One audit entry for each organization says how much went.
    """
    until = time.monotonic() + seconds
    gone: dict[UUID, Removed] = defaultdict(Removed)
    turns: deque[_Due] = deque()
    try:
        turns.extend(due_workflows(now()))
        while turns and time.monotonic() < until:
            due = turns.popleft()
            removed = _remove_some(due)
            if removed is None:
                continue
            gone[due.organization_id].add(removed)
            turns.append(due)
            time.sleep(PAUSE)
    finally:
        for organization_id, removed in gone.items():
            _tell(organization_id, removed)
    total = Removed()
    for removed in gone.values():
        total.add(removed)
    return total


def due_workflows(at: datetime) -> list[_Due]:
    """One look into an index for each workflow that keeps its runs for a time only."""
    organizations = F("organization__run_retention_days")
    kept = Workflow.objects.annotate(
        days=Least(
            Coalesce("run_retention_days", organizations),
            Coalesce(organizations, "run_retention_days"),
        )
    )
    found: list[_Due] = []
    lengths = kept.filter(days__isnull=False).order_by().values_list("days", flat=True)
    for days in lengths.distinct():
        before = at - timedelta(days=days)
        old = Run.objects.filter(workflow=OuterRef("pk"), ended_at__lt=before)
        rows = kept.filter(Exists(old), days=days).values_list("pk", "organization_id")
        found.extend(_Due(*row, before) for row in rows)
    return found


def old_runs(due: _Due) -> QuerySet[Run]:
    """The oldest that this pass has not come to yet. Live runs have no end."""
    rows = Run.objects.filter(workflow_id=due.workflow_id, ended_at__lt=due.before)
    if due.after is not None:
        at, pk = due.after
        rows = rows.filter(ended_at__gte=at).exclude(ended_at=at, pk__lte=pk)
    names = ("public_id", "organization_id", "trace_id", "step_count", "seq", "ended_at")
    found: QuerySet[Run] = rows.order_by("ended_at", "pk").only(*names)[:RUNS]
    return found


def _remove_some(due: _Due) -> Removed | None:
    """One transaction's worth; None when there is nothing more."""
    runs: list[Run] = []
    rows = 0
    for run in old_runs(due):
        rows += 1 + run.step_count + run.seq
        if runs and rows > ROWS:
            break
        runs.append(run)
    if not runs:
        return None
    last = runs[-1]
    assert last.ended_at is not None  # nosec B101 # noqa: S101 - it is before something
    due.after = last.ended_at, last.pk
    _take_back(runs)
    pks = [run.pk for run in runs]
    while count_some(uncounted().filter(pk__in=pks)):
        pass  # statistics outlive the run, so they take it in first
    ended = {"ended_at__lt": due.before, "state__in": ENDED, "counted_epoch": F("epoch")}
    removed = remove_runs(pks, wait=False, **ended)
    logger.info(
        "Runs pruned",
        extra={"organization": str(due.organization_id), "workflow": str(due.workflow_id)}
        | asdict(removed),
    )
    return removed


def _take_back(runs: list[Run]) -> None:
    """What a worker that died left open of a run that was over. Before the runs are locked."""
    traces = {run.trace_id for run in runs}
    asked = ProcessInfo.objects.of(runs[0].organization_id).filter(
        kind=HUMAN_INPUT, trace_id__in=traces, finished_at=None
    )
    asking = set(asked.values_list("trace_id", flat=True))
    for run in runs:
        if run.trace_id in asking:
            take_back_tasks(run, "The run is over.")


def _tell(organization_id: UUID, removed: Removed) -> None:
    data: dict[str, Any] = asdict(removed)
    record(
        "workflows.runs.pruned",
        actor=system_actor(organization_id),
        target_type="organization",
        target_id=organization_id,
        data=data,
    )
