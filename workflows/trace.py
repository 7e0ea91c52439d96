"""What workflows have under a trace: runs, what happened to them, their steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from orgs.access import Actor
from orgs.models import ApiKey
from orgs.trails import HIDDEN, TRACES, Clue, Item, Scope, Source, Wanted, hide_by, register
from workflows.models import Event, Run, Step


def contribute() -> None:
    """Runs narrow themselves to what was granted, so they ask for no verb."""
    hide_by(hidden_runs)
    register(
        Source(
            kind="run", label=_("Run"), icon="play_circle", order=10, verb="", at="created_at",
            rows=_runs, show=_show_run, find=_find_run, key=_run_keys, by_key=_runs_by_key,
        )
    )  # fmt: skip
    register(
        Source(
            kind="event", label=_("Run event"), icon="bolt", order=20, verb="", at="at",
            rows=_events, show=_show_event,
        )
    )  # fmt: skip
    register(
        Source(
            kind="step", label=_("Node"), icon="widgets", order=30, verb="", at="started_at",
            rows=_steps, show=_show_step,
        )
    )  # fmt: skip


def hidden_runs(actor: Actor, traces: Sequence[str]) -> list[str]:
    """Runs of the organization under these traces that the actor does not see."""
    theirs = Run.objects.of(actor.organization_id).filter(trace_id__in=traces)
    hidden = theirs.exclude(pk__in=Run.objects.visible_to(actor).filter(trace_id__in=traces))
    return [str(run) for run in hidden.values_list("public_id", flat=True)[: HIDDEN + 1]]


def _seen(actor: Actor | None) -> QuerySet[Run]:
    return Run.objects.all() if actor is None else Run.objects.visible_to(actor)


def _runs(scope: Scope) -> QuerySet[Run]:
    rows = _seen(scope.actor).filter(trace_id__in=scope.traces)
    return rows.select_related("workflow").defer("inputs", "outputs", "system")


def _of_runs(scope: Scope, model: Any) -> QuerySet[Any]:
    runs = _seen(scope.actor).filter(trace_id__in=scope.traces)
    found: QuerySet[Any] = model.objects.filter(run__in=runs.values("pk"))
    return found.select_related("run").only(
        *(each.attname for each in model._meta.fields if each.name not in {"inputs", "outputs"}),
        "run__public_id",
        "run__trace_id",
    )


def _events(scope: Scope) -> QuerySet[Event]:
    """The run's own changes; what its nodes did is told by their steps."""
    return _of_runs(scope, Event).filter(kind__startswith="run.")


def _steps(scope: Scope) -> QuerySet[Step]:
    return _of_runs(scope, Step)


def _show_run(row: Run) -> Item:
    return Item(
        kind="run",
        at=row.created_at,
        id=str(row.public_id),
        title=row.workflow.name,
        trace_id=row.trace_id,
        state=row.state,
        cost=row.cost,
        ms=row.duration_ms,
        url=reverse("run", args=[row.public_id]),
        row=("workflows_run", row.pk),
        organization_id=row.organization_id,
        user_id=row.started_by_id,
        api_key_id=row.api_key_id,
        data={
            "trigger": row.trigger,
            "steps": row.step_count,
            "tokens": row.tokens,
            "error": row.error,
        },
    )


def _show_event(row: Event) -> Item:
    return Item(
        kind="event",
        at=row.at,
        id=f"{row.run.public_id}#{row.seq}",
        title=row.kind,
        trace_id=row.run.trace_id,
        url=reverse("run", args=[row.run.public_id]),
        row=("workflows_event", row.pk),
        organization_id=row.organization_id,
        data=_short(row.data),
    )


def _show_step(row: Step) -> Item:
    return Item(
        kind="step",
        at=row.started_at,
        id=f"{row.run.public_id}/{row.node_id}" + (f"/{row.iteration}" if row.iteration else ""),
        title=f"{row.node_id} ({row.kind})",
        trace_id=row.run.trace_id,
        state=row.status,
        cost=row.cost or None,
        ms=row.duration_ms,
        url=reverse("run", args=[row.run.public_id]),
        row=("workflows_run", row.run_id),
        organization_id=row.organization_id,
        data={"ms": row.duration_ms, "attempts": row.attempts, "error": row.error or None},
    )


def _short(data: Any) -> dict[str, Any]:
    """What an event says about the change itself; a run's outputs stand on its page."""
    if not isinstance(data, dict):
        return {}
    return {name: value for name, value in data.items() if name not in {"outputs", "inputs"}}


def _find_run(actor: Actor | None, wanted: Wanted) -> Iterator[Clue]:
    if named := wanted.run or wanted.uuid:
        yield from map(_clue, _seen(actor).filter(public_id=named).select_related("workflow"))


def _run_keys(scope: Scope) -> QuerySet[Any]:
    rows = _seen(scope.actor).filter(trace_id__in=scope.traces, api_key_id__isnull=False)
    return rows.annotate(acting=F("api_key_id"))


def _runs_by_key(actor: Actor | None, key: ApiKey) -> Iterator[Clue]:
    rows = _seen(actor).filter(organization_id=key.organization_id, api_key_id=key.pk)
    latest = rows.select_related("workflow").order_by("-pk")[: TRACES + 1]
    yield from map(_clue, latest)


def _clue(row: Run) -> Clue:
    return Clue(
        row.trace_id,
        "run",
        row.workflow.name,
        row.created_at,
        row.organization_id,
        str(row.public_id),
    )
