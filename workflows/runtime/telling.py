"""Word to the worker that has a run in hand, and to whoever watches it."""

from __future__ import annotations

from django.db import transaction

from core.bus import get_bus
from core.queue import enqueue
from workflows.models import Run
from workflows.runtime.channels import CONTROL_CHANNEL, channel_of


def wake(run: Run) -> None:
    """Something was sent to the run, whose row the caller has locked: it goes on with that."""
    run.wakes += 1
    if run.state == Run.State.WAITING:
        run.state = Run.State.QUEUED
    run.save(update_fields=["wakes", "state"])
    tell_worker(run)
    enqueue("workflows.tasks.pump")


def tell_worker(run: Run) -> None:
    """After the commit: the worker hears of a changed `control` or `epoch`, watchers of an event.

    Without this message both learn of it all the same, by the next heartbeat or poll.
    """
    control = {
        "run": run.pk,
        "epoch": run.epoch,
        "control": run.control,
        "wakes": run.wakes,
    }
    hint = {"seq": run.seq}

    def publish() -> None:
        get_bus().publish_now(CONTROL_CHANNEL, control)
        get_bus().publish_now(channel_of(run.public_id), hint)

    transaction.on_commit(publish, robust=True)
