"""The doorbell and the net. Losing or repeating any of these messages is harmless."""

from dataclasses import asdict

from celery import shared_task
from django.core.cache import cache

from core.queue import send
from workflows.actions.retention import SECONDS
from workflows.actions.retention import prune_runs as prune_old_runs
from workflows.history.rollup import count_ended as count_ended_runs
from workflows.history.rollup import tidy_rollups
from workflows.removal import sweep_orphans
from workflows.runtime.sweep import sweep as sweep_runs
from workflows.runtime.worker import get_worker
from workflows.values import erase_doomed

BELL = "engine-bell"
BELL_SECONDS = 3


@shared_task
def pump() -> None:
    """Runs are ready: wake this process's engine."""
    cache.delete(BELL)
    get_worker().ring()


def ring() -> None:
    """Announce ready runs; announcements within a moment are one message."""
    if cache.add(BELL, 1, BELL_SECONDS):
        send("workflows.tasks.pump", {})


@shared_task
def sweep() -> None:
    """The backstop of the engines' own look-around, for when none is awake yet."""
    if sweep_runs():
        ring()


@shared_task(acks_late=True)
def prune_runs() -> dict[str, int]:
    """Delete what is older than is kept, its contents in the file store, and orphans."""
    removed = prune_old_runs(seconds=SECONDS)
    orphans = sweep_orphans()
    erased, size = erase_doomed(seconds=SECONDS)
    return asdict(removed) | {"orphans": orphans, "erased": erased, "bytes": size}


@shared_task
def count_ended() -> int:
    """Add runs that are over to the statistics, and make their outputs searchable."""
    return count_ended_runs()


@shared_task
def tidy_statistics() -> tuple[int, int]:
    """Old hours become days, old days go."""
    return tidy_rollups()
