"""What workflows erases of a closed organization, and hands out before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from files.errors import FileGone
from orgs.closing import erase_batch, plain_rows, register_erasure, register_source
from orgs.contents import register_contents
from workflows.models import (
    BulkCommand,
    NodeRateLimit,
    RollupHour,
    Run,
    RunPolicy,
    RunValue,
    Step,
    Trigger,
    TriggerFiring,
    Workflow,
    WorkflowVersion,
)
from workflows.models.values import read_value
from workflows.removal import remove_runs
from workflows.values import erase_values

RUNS = 50
"""Runs are heavier than other rows: each brings its steps and events."""


LAST: tuple[Callable[[], Any], ...] = tuple(
    model.objects.all
    for model in (
        BulkCommand,
        TriggerFiring,
        Trigger,
        WorkflowVersion,
        RunPolicy,
        NodeRateLimit,
        RollupHour,
        Workflow,
    )
)
"""What goes after the runs and their values, in this order."""


def erase_workflows(organization_id: UUID, limit: int) -> int:
    """Runs, then their large values, commands to many, versions, workflows.

    A worker that is on a run is fenced by its absence.
    """
    runs = Run.objects.of(organization_id).order_by("pk")
    found = list(runs.values_list("pk", flat=True)[: min(limit, RUNS)])
    if found:
        remove_runs(found, wait=True)
        return len(found)
    if values := list(RunValue.objects.of(organization_id).order_by("pk")[:limit]):
        return erase_values(values)
    return next(
        (taken for rows in LAST if (taken := erase_batch(rows().of(organization_id), limit))), 0
    )


def workflow_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Workflow.objects.of(organization_id)
    names = ("id", "project_id", "name", "description", "mode", "published_id", "created_at")
    yield from plain_rows(rows, *names, "run_retention_days")


def policy_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = RunPolicy.objects.of(organization_id)
    names = ("workflow_id", "run_timeout_seconds", "max_concurrent", "concurrency_key")
    yield from plain_rows(rows, *names, "on_conflict", "priority", "updated_at")


def limit_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = NodeRateLimit.objects.of(organization_id)
    yield from plain_rows(rows, "id", "scope", "name", "limit", "per_seconds", "burst")


def version_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    """Each with its definition; `source_id` is the name of its file in the folder `files`."""
    rows = WorkflowVersion.objects.of(organization_id)
    names = ("id", "workflow_id", "number", "definition", "checksum", "source_id", "note")
    yield from plain_rows(rows, *names, "published_at", "created_at")


def run_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    names = ("public_id", "workflow_id", "version_id", "state", "trigger", "inputs", "outputs")
    ends = ("error", "trace_id", "tokens", "cost", "created_at", "started_at", "ended_at")
    for row in plain_rows(Run.objects.of(organization_id), *names, *ends):
        yield _whole(organization_id, row)


def step_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    """Run by run: steps have no index of their organization."""
    for run in Run.objects.of(organization_id).order_by("pk").iterator(chunk_size=200):
        names = ("node_id", "iteration", "kind", "status", "inputs", "outputs", "error", "cost")
        for step in Step.objects.filter(run=run).order_by("pk").values(*names, "ended_at"):
            yield {"run_id": run.public_id, **_whole(organization_id, step)}


def _whole(organization_id: UUID, row: dict[str, Any]) -> dict[str, Any]:
    """With large values in full. One whose content is lost stays the reference it is."""
    for name in ("inputs", "outputs"):
        with suppress(FileGone):
            row[name] = read_value(organization_id, row[name])
    return row


def trigger_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    """Without secrets and tokens; what became of each firing is no setting and is left out."""
    rows = Trigger.objects.of(organization_id)
    names = ("id", "workflow_id", "kind", "name", "enabled", "config", "inputs", "query")
    yield from plain_rows(rows, *names, "source_workflow_id", "last_fired_at", "created_at")


def count_workflows(project_id: UUID) -> int:
    return Workflow.objects.filter(project_id=project_id).count()


def contribute() -> None:
    register_erasure("workflows", 100, erase_workflows)
    register_contents("workflows", count_workflows)
    for name, rows in (
        ("workflows", workflow_rows),
        ("run_policies", policy_rows),
        ("rate_limits", limit_rows),
        ("versions", version_rows),
        ("runs", run_rows),
        ("steps", step_rows),
        ("triggers", trigger_rows),
    ):
        register_source(name, rows)
