"""Waiting for the end of a run without holding a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from core.bus import get_bus
from workflows.models import Run
from workflows.runtime.channels import channel_of

POLL_SECONDS = 5.0
"""How long a silent bus is trusted before the database is asked again."""
LEAST_SECONDS = 0.1
"""Between two questions to the database, however fast a run speaks."""
Call = Callable[..., Awaitable[Any]]


async def wait_for_end(run: Run, seconds: float, call: Call) -> Run | None:
    """The run once it is over, or None after `seconds`. `call` asks the database in a thread."""
    until = time.monotonic() + seconds
    async with get_bus().listen(channel_of(run.public_id)) as inbox:
        while True:
            if (ended := await call(read_ended, run.pk)) is not None:
                found: Run = ended
                return found
            left = until - time.monotonic()
            if left <= 0:
                return None
            await inbox.next(min(left, POLL_SECONDS))
            await asyncio.sleep(min(max(until - time.monotonic(), 0), LEAST_SECONDS))


def wait_in_thread(run: Run, seconds: float) -> Run | None:
    """The same for a server that has no event loop: the thread waits."""
    until, pause = time.monotonic() + seconds, 0.02
    while (ended := read_ended(run.pk)) is None:
        if time.monotonic() >= until:
            return None
        time.sleep(min(pause, max(until - time.monotonic(), 0)))
        pause = min(2 * pause, 0.5)
    return ended


def read_ended(run_pk: int) -> Run | None:
    rows = Run.objects.exclude(state__in=Run.LIVE).select_related("version")
    return rows.defer("version__definition", "version__report").filter(pk=run_pk).first()
