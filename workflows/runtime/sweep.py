"""The net under every lost message: finds abandoned, due and forgotten runs."""

from __future__ import annotations

from datetime import timedelta

from django.db import close_old_connections, transaction
from django.db.models import Exists, F, OuterRef
from django.utils.timezone import now

from bpm.actions import cancel_tasks
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
    resting = Run.objects.filter(state=Run.State.WAITING)
    due = RunWait.objects.filter(run=OuterRef("pk"), wake_at__lte=at)
    answered = Signal.objects.filter(run=OuterRef("pk"))
    ready = list(resting.filter(Exists(due) | Exists(answered)).values_list("pk", flat=True)[:500])
    if ready:
        resting.filter(pk__in=ready).update(state=Run.State.QUEUED, wakes=F("wakes") + 1)


def subject_of(run_id: object, node_id: str, iteration: str) -> str:
    """What a human task of a run is about: `<run>:<node>:<iteration>`."""
    return f"{run_id}:{node_id}:{iteration}"


def close_waits(run_pk: int) -> None:
    """Take back what a run that is over still asked of people."""
    try:
        with transaction.atomic():
            waits = RunWait.objects.filter(run_id=run_pk).select_related("run")
            for wait in waits:
                if wait.kind == "human":
                    subject = subject_of(wait.run.public_id, wait.node_id, wait.iteration)
                    cancel_tasks(kind=HUMAN_INPUT, subject_id=subject, reason="The run is over.")
            waits.delete()
    finally:
        close_old_connections()


def close_orphans(run_pk: int, subjects: list[str]) -> None:
    """Take back tasks that were opened for a run which ended before it could lie down."""
    try:
        if Run.objects.unfinished().filter(pk=run_pk).exists():
            return  # another worker has the run, and will want the same tasks
        for subject in subjects:
            cancel_tasks(kind=HUMAN_INPUT, subject_id=subject, reason="The run is over.")
    finally:
        close_old_connections()
