"""The net under every lost message: finds abandoned, due and forgotten runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import close_old_connections, transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from core.database import alone, database_now
from workflows.models import Run, RunWait, Signal, WorkerProcess
from workflows.runtime.asking import HUMAN_INPUT, subject_of, take_back_tasks
from workflows.runtime.due import give_back, let_go, start_due, time_out
from workflows.runtime.ending import close_orphans
from workflows.runtime.family import tell_parents
from workflows.runtime.slots import release

__all__ = ["HUMAN_INPUT", "close_ended", "close_run", "subject_of", "sweep", "take_back_tasks"]


def sweep() -> bool:
    """Requeue what dead workers held and what is due; True when anything is queued.

    Reads first and writes only what it found, so an idle sweep takes no lock on rows. One process
    at a time does it. Leases, delays and deadlines are judged by the clock of the database, for
    hosts do not agree on the time; and each update repeats its condition.
    """
    try:
        with alone("engine:sweep") as ours:
            if ours:
                at = database_now()
                _adopt(at)
                _wake(at)
                start_due(at)
                time_out(at)
                let_go()
        return Run.objects.filter(state=Run.State.QUEUED).exists()
    finally:
        close_old_connections()


def _adopt(at: datetime) -> None:
    """What a worker held whose lease is over is anybody's."""
    dead = (
        Run.objects.filter(state=Run.State.RUNNING)
        .exclude(owner__in=WorkerProcess.objects.filter(alive_until__gt=at).values("pk"))
        .values_list("pk", "owner")
    )
    for pk, owner in list(dead[:500]):
        Run.objects.filter(pk=pk, owner=owner, state=Run.State.RUNNING).update(
            state=Run.State.QUEUED, owner=None, crashes=F("crashes") + 1
        )
    WorkerProcess.objects.filter(alive_until__lt=at - timedelta(hours=1)).delete()


def _answered() -> QuerySet[Signal]:
    """Answers to waits; one that nobody waits for, yet, wakes no run again and again.

    Signals by name need no net: sending one queues the run in the same transaction.
    """
    waits = RunWait.objects.filter(run=OuterRef("run"))
    here = Exists(waits.filter(node_id=OuterRef("node_id"), iteration=OuterRef("iteration")))
    return Signal.objects.filter(here)


def _wake(at: datetime) -> None:
    """From the few that are due or answered to their runs: most runs ever made are over."""
    due = RunWait.objects.filter(wake_at__lte=at).values("run")
    answered = _answered().values("run")
    resting = Run.objects.filter(state=Run.State.WAITING)
    for woken in (due, answered):
        if ready := list(resting.filter(pk__in=woken).values_list("pk", flat=True)[:500]):
            resting.filter(pk__in=ready).update(state=Run.State.QUEUED, wakes=F("wakes") + 1)


def close_run(run_pk: int) -> None:
    """Clear away what a run that is over still waited for and held. Repeatable."""
    try:
        with transaction.atomic():
            run = Run.objects.filter(pk=run_pk).first()
            if run is not None and run.finished:
                take_back_tasks(run, "The run is over.")
                RunWait.objects.filter(run=run).delete()
                Signal.objects.filter(run=run).delete()
                release(run)
    finally:
        close_old_connections()


def close_ended() -> None:
    """Clear away after runs whose worker died between their end and its clearing away."""
    try:
        for rows in (RunWait.objects, Signal.objects):
            left = rows.exclude(run__state__in=Run.LIVE).values_list("run", flat=True)
            for run_pk in set(left[:100]):
                close_run(run_pk)
        give_back()
        tell_parents()
        close_orphans()
    finally:
        close_old_connections()
