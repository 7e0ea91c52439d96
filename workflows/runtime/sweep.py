"""The net under every lost message: finds abandoned, due and forgotten runs."""

from __future__ import annotations

from datetime import timedelta

from django.db import close_old_connections, transaction
from django.db.models import Exists, F, OuterRef
from django.utils.timezone import now

from bpm.actions import cancel_tasks
from bpm.models import ProcessInfo
from workflows.models import Run, RunWait, Signal, WorkerProcess

HUMAN_INPUT = "workflows.human_input"


def sweep() -> bool:
    """Requeue what dead workers held and what is due; True when anything is queued.

    Reads first and writes only what it found, so an idle sweep takes no lock. Safe to run in
    several processes at once: every update repeats its condition.
    """
    try:
        at = now()
        dead = (
            Run.objects.filter(state=Run.State.RUNNING)
            .exclude(owner__in=WorkerProcess.objects.filter(alive_until__gt=at).values("pk"))
            .values_list("pk", "owner")
        )
        for pk, owner in list(dead[:500]):
            Run.objects.filter(pk=pk, owner=owner, state=Run.State.RUNNING).update(
                state=Run.State.QUEUED, owner=None, crashes=F("crashes") + 1
            )
        _wake(at)
        WorkerProcess.objects.filter(alive_until__lt=at - timedelta(hours=1)).delete()
        return Run.objects.filter(state=Run.State.QUEUED).exists()
    finally:
        close_old_connections()


def _wake(at: object) -> None:
    """From the few that are due or answered to their runs: most runs ever made are over.

    A signal that no node waits for yet wakes nobody; whoever brings it moves `wakes` with it.
    """
    due = RunWait.objects.filter(wake_at__lte=at).values("run")
    place = {name: OuterRef(name) for name in ("run", "node_id", "iteration")}
    answered = Signal.objects.filter(Exists(RunWait.objects.filter(**place))).values("run")
    resting = Run.objects.filter(state=Run.State.WAITING)
    for woken in (due, answered):
        if ready := list(resting.filter(pk__in=woken).values_list("pk", flat=True)[:500]):
            resting.filter(pk__in=ready).update(state=Run.State.QUEUED, wakes=F("wakes") + 1)


def subject_of(run_id: object, node_id: str, iteration: str) -> str:
    """What a human task of a run is about: `<run>:<node>:<iteration>`."""
    return f"{run_id}:{node_id}:{iteration}"


def take_back_tasks(run: Run, reason: str) -> None:
    """Withdraw all that the run still asks of people, also where its wait never became durable."""
    asked = ProcessInfo.objects.of(run.organization_id).filter(
        kind=HUMAN_INPUT,
        trace_id=run.trace_id,
        finished_at=None,
        subject_id__startswith=f"{run.public_id}:",
    )
    for subject in list(asked.values_list("subject_id", flat=True)):
        cancel_tasks(kind=HUMAN_INPUT, subject_id=subject, reason=reason)


def close_run(run_pk: int) -> None:
    """Clear away what a run that is over still waited for. Repeatable."""
    try:
        with transaction.atomic():
            run = Run.objects.filter(pk=run_pk).first()
            if run is not None and run.finished:
                take_back_tasks(run, "The run is over.")
                RunWait.objects.filter(run=run).delete()
                Signal.objects.filter(run=run).delete()
    finally:
        close_old_connections()


def close_ended() -> None:
    """Clear away after runs whose worker died between their end and its clearing away."""
    try:
        for rows in (RunWait.objects, Signal.objects):
            left = rows.exclude(run__state__in=Run.LIVE).values_list("run", flat=True)
            for run_pk in set(left[:100]):
                close_run(run_pk)
    finally:
        close_old_connections()
