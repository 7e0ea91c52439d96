"""Ending a run from outside its worker: its epoch moves on and fences the worker out."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.utils.timezone import now

from workflows.models import Event, Run, RunWait, Signal
from workflows.runtime.asking import take_back_tasks
from workflows.runtime.family import tell_parent
from workflows.runtime.slots import release


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
    run.seq += 1
    run.error = error
    run.save(update_fields=["state", "ended_at", "owner", "control", "epoch", "seq", "error"])
    Event.objects.create(
        organization_id=run.organization_id,
        run=run,
        seq=run.seq,
        kind=f"run.{state}",
        data=data or {},
        at=run.ended_at,
    )
    RunWait.objects.filter(run=run).delete()
    Signal.objects.filter(run=run).delete()
    release(run)
    tell_worker(run)
    if run.parent_id is not None:
        transaction.on_commit(partial(tell_parent, run.pk), robust=True)
