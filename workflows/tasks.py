"""The doorbell and the net. Losing or repeating any of these messages is harmless."""

from dataclasses import asdict
from uuid import UUID

from celery import shared_task
from django.core.cache import cache

from core.queue import send
from workflows.actions import delete_old_bulks, hand_back_bulks, run_bulk
from workflows.actions.retention import SECONDS
from workflows.actions.retention import prune_runs as prune_old_runs
from workflows.history.rollup import count_ended as count_ended_runs
from workflows.history.rollup import tidy_rollups
from workflows.removal import sweep_orphans
from workflows.runtime.sweep import sweep as sweep_runs
from workflows.runtime.worker import get_worker
from workflows.triggers.ended import sweep_ended
from workflows.triggers.keeping import prune_firings as prune_old_firings
from workflows.triggers.schedules import fire_due, release_queued
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
def bulk(bulk_id: str) -> bool:
    """Carry a command to many runs on for a while."""
    return run_bulk(bulk_id=UUID(bulk_id))


@shared_task(acks_late=True)
def tend_bulks() -> int:
    """Hand back what dead workers left, ring again, and delete what ended long ago."""
    return hand_back_bulks() + delete_old_bulks()


@shared_task(expires=5)  # ticks that pile up are one
def fire_triggers() -> None:
    """Beat's tick: schedules that fell due, what waited for them, ends that nobody passed on.

    Late or twice is harmless: each occurrence is settled once, by what its rows say.
    """
    fire_due()
    release_queued()
    sweep_ended()


@shared_task
def prune_firings() -> int:
    return prune_old_firings()


@shared_task
def count_ended() -> int:
    """Add runs that are over to the statistics, and make their outputs searchable."""
    return count_ended_runs()


@shared_task
def tidy_statistics() -> tuple[int, int]:
    """Old hours become days, old days go."""
    return tidy_rollups()
