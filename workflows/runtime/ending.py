"""Acting on a run from outside its worker: ending it, asking it to end, telling the worker."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.timezone import now

from core.queue import enqueue
from workflows.models import Event, Run, RunWait, Signal, WorkflowVersion
from workflows.runtime.asking import take_back_tasks
from workflows.runtime.family import tell_parent
from workflows.runtime.slots import release
from workflows.runtime.telling import tell_worker

ON_CANCEL = "on-cancel"
"""The kind of the node that a clean-up branch begins with."""
CHILDREN_AT_ONCE = 500


def end_run(
    run: Run, state: str, *, error: dict[str, Any] | None = None, data: dict[str, Any] | None = None
) -> None:
    """End a run that is not over. Its row is locked by the caller, in the same transaction.

    Its open tasks are taken back, its waits and signals are gone, its concurrency key passes to the
    next, its history says `run.<state>` with `data`; watchers are told after the commit.
    """
    take_back_tasks(run, "The run is over.")
    run.state, run.ended_at, run.owner, run.control = state, now(), None, ""
    run.epoch += 1
    run.error = error
    note_event(run, f"run.{state}", data, at=run.ended_at)
    run.save(update_fields=["state", "ended_at", "owner", "control", "epoch", "seq", "error"])
    RunWait.objects.filter(run=run).delete()
    Signal.objects.filter(run=run).delete()
    release(run)
    tell_worker(run)
    if run.parent_id is not None:
        transaction.on_commit(partial(tell_parent, run.pk), robust=True)
    if cared_for(run.pk).exists():
        transaction.on_commit(partial(close_children, run.pk), robust=True)


def note_event(
    run: Run,
    kind: str,
    data: dict[str, Any] | None = None,
    node_id: str = "",
    at: datetime | None = None,
) -> None:
    """The next line of the history. The row is locked by the caller, who saves its `seq`."""
    run.seq += 1
    Event.objects.create(
        organization_id=run.organization_id,
        run=run,
        seq=run.seq,
        kind=kind,
        node_id=node_id,
        data=data or {},
        at=at or now(),
    )


def ask_to_cancel(run: Run, reason: str = "") -> None:
    """Cancel a run that is not over and was not asked to before; its row is locked by the caller.

    A worker that has it lets it come to its end, and so does the next one where the flow has a
    clean-up branch. Whatever has nothing to clean up is over at once.
    """
    take_back_tasks(run, "The run was cancelled.")
    cleans = run.started_at is not None and has_cleanup(run)
    if run.state != Run.State.RUNNING and not cleans:
        error = {"code": "cancelled", "message": reason, "node_id": ""}
        end_run(run, Run.State.CANCELLED, error=error, data={"reason": reason})
        return
    run.control = Run.Control.CANCEL
    if run.state != Run.State.RUNNING:
        run.state, run.crashes = Run.State.QUEUED, 0
        enqueue("workflows.tasks.pump")
    note_event(run, "run.cancelling", {"reason": reason})
    run.save(update_fields=["control", "state", "crashes", "seq"])
    tell_worker(run)


def has_cleanup(run: Run) -> bool:
    """Whether the run's version has a branch for the case that it is cancelled."""
    rows = WorkflowVersion.objects.filter(pk=run.version_id)
    definition = rows.values_list("definition", flat=True).get()
    return any(node.get("type") == ON_CANCEL for node in definition.get("nodes", ()))


def cared_for(run_pk: int) -> QuerySet[Run]:
    """Live runs that a run started and that are not to outlive it."""
    found: QuerySet[Run] = Run.objects.filter(
        parent=run_pk, state__in=Run.LIVE, parent_close=Run.ParentClose.CANCEL
    )
    return found


def close_children(run_pk: int) -> int:
    """After the end of a run: terminate its children if it was terminated, else cancel them.

    Each in a transaction of its own, and none while the parent's row is held, for a child that
    ends takes the same rows the other way round. Repeatable; returns how many there were.
    """
    state = Run.objects.filter(pk=run_pk).values_list("state", flat=True).first()
    if state is None or state in Run.LIVE:
        return 0
    children = list(cared_for(run_pk).order_by("pk").values_list("pk", flat=True))
    for child in children:
        close_child(child, terminate=state == Run.State.TERMINATED)
    return len(children)


def close_child(
    pk: int, *, terminate: bool, reason: str = "The run that started it ended."
) -> None:
    """Cancel or terminate one run; one that is over or was asked already stays as it is."""
    with transaction.atomic():
        seen = Run.objects.filter(pk=pk).first()
        if seen is None or seen.finished:
            return
        take_back_tasks(seen, reason)  # tasks before the run, as decisions lock them
        run = Run.objects.select_for_update().get(pk=pk)
        if run.finished:
            return
        if terminate:
            error = {"code": "terminated", "message": reason, "node_id": ""}
            end_run(run, Run.State.TERMINATED, error=error, data={"reason": reason})
        elif run.control != Run.Control.CANCEL:
            ask_to_cancel(run, reason)


def close_orphans() -> int:
    """The children of runs that are over, whose end was not followed up; returns how many."""
    left = Run.objects.filter(
        parent__isnull=False, state__in=Run.LIVE, parent_close=Run.ParentClose.CANCEL
    ).exclude(parent__state__in=Run.LIVE)
    ended = left.exclude(control=Run.Control.CANCEL).values_list("parent", flat=True)
    parents = set(ended[:CHILDREN_AT_ONCE])
    return sum(close_children(parent) for parent in parents)
