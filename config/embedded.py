"""Celery's worker and beat as threads of the web process: what makes one command enough.

The memory broker dies with the process, and that is fine: messages only ring a bell, and the
sweeper re-rings for every unfinished run at start.
"""

import os
import threading
from typing import Any

from celery.beat import EmbeddedService
from celery.worker import WorkController

from config.celery import app

_parts: list[Any] = []


def wanted() -> bool:
    return os.environ.get("EMBEDDED_WORKER") == "1"


def start_embedded_worker(concurrency: int = 8) -> None:
    """Once per process; a second call does nothing."""
    if not wanted() or _parts:
        return
    app.finalize()
    app.set_default()
    # WorkController, not app.Worker: the latter takes over the server's signal handlers.
    worker = WorkController(
        app=app,
        pool="threads",
        concurrency=concurrency,
        hostname="embedded@localhost",
        queues=["default", "engine"],
        loglevel="WARNING",
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
        quiet=True,
    )
    threading.Thread(target=worker.start, daemon=True, name="celery-worker").start()
    # Without the class named here beat would silently fall back to its file scheduler.
    beat = EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler)
    beat.daemon = True
    beat.start()
    _parts.extend((worker, beat))


def stop_embedded_worker() -> None:
    """Stop beat, then the worker, whose engine hands unfinished runs back."""
    if not _parts:
        return
    worker, beat = _parts
    beat.stop(wait=False)
    worker.stop()
    _parts.clear()
