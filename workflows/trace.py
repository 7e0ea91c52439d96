"""One id leads to everything that happened under it, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.models import LedgerEntry, UsageRecord
from bpm.models import Decision, HumanTask
from orgs.access import Actor, holds
from orgs.trail import entries_visible_to
from workflows.models import Run, Step

MOST = 500
"""Rows per kind: a trace is one piece of work, not a report."""


@dataclass(frozen=True, slots=True)
class Trail:
    """One thing that carries the trace id.

    `kind` is run, step, call, ledger, task, decision or audit.
    """

    kind: str
    at: datetime
    title: str
    id: str
    state: str = ""
    cost: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


def find_trail(actor: Actor, trace_id: str) -> list[Trail]:
    """Everything of the actor's organization under `trace_id` that the actor may see."""
    rooms = (
        ("run.view", _runs),
        ("usage.view", _calls),
        ("wallet.view", _ledger),
        ("task.view", _tasks),
        ("audit.view", _audit),
    )
    found = [item for verb, read in rooms if holds(actor, verb) for item in read(actor, trace_id)]
    return sorted(found, key=lambda item: item.at)


def _runs(actor: Actor, trace_id: str) -> Iterator[Trail]:
    runs = Run.objects.visible_to(actor).filter(trace_id=trace_id)
    for run in runs.select_related("workflow")[:MOST]:
        yield Trail(
            "run", run.created_at, run.workflow.name, str(run.public_id), run.state, run.cost
        )
        for step in Step.objects.filter(run=run).order_by("pk")[:MOST]:
            yield Trail(
                "step",
                step.started_at,
                f"{step.node_id} ({step.kind})",
                f"{run.public_id}/{step.node_id}",
                step.status,
                step.cost or None,
                {"ms": step.duration_ms, "attempts": step.attempts},
            )


def _calls(actor: Actor, trace_id: str) -> Iterator[Trail]:
    rows = UsageRecord.objects.visible_to(actor).filter(trace_id=trace_id)
    for row in rows.order_by("pk")[:MOST]:
        yield Trail(
            "call",
            row.created_at,
            row.model,
            str(row.hold_id),
            row.outcome,
            row.cost,
            {
                "prompt_tokens": row.prompt_tokens,
                "completion_tokens": row.completion_tokens,
                "provider": row.deployment,
                "node": row.node_id,
                "key": str(row.api_key_id or ""),
            },
        )


def _ledger(actor: Actor, trace_id: str) -> Iterator[Trail]:
    rows = LedgerEntry.objects.visible_to(actor).filter(trace_id=trace_id)
    for row in rows.order_by("pk")[:MOST]:
        yield Trail(
            "ledger",
            row.created_at,
            f"{row.debit} → {row.credit}",
            str(row.pk),
            row.kind,
            row.amount,
            {"balance_after": row.balance_after, "hold": str(row.hold_id or "")},
        )


def _tasks(actor: Actor, trace_id: str) -> Iterator[Trail]:
    tasks = HumanTask.objects.visible_to(actor).filter(process__trace_id=trace_id)
    for task in tasks[:MOST]:
        yield Trail("task", task.created_at, task.title, str(task.pk), task.status)
    made = Decision.objects.visible_to(actor).filter(task__process__trace_id=trace_id)
    for decision in made.select_related("actor", "task")[:MOST]:
        yield Trail(
            "decision",
            decision.created_at,
            decision.task.title,
            str(decision.pk),
            decision.action_id,
            data={"by": decision.actor.email, "comment": decision.comment},
        )


def _audit(actor: Actor, trace_id: str) -> Iterator[Trail]:
    rows = entries_visible_to(actor).filter(trace_id=trace_id)
    for row in rows.order_by("pk")[:MOST]:
        yield Trail(
            "audit",
            row.at,
            row.action,
            str(row.pk),
            row.actor_kind,
            data={"target": f"{row.target_type} {row.target_id}", "summary": row.summary},
        )
