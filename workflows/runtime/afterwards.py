"""What follows the end of a run that its worker brought about."""

from __future__ import annotations

import asyncio

from workflows.runner import RunState
from workflows.runtime.journal import StoreJournal
from workflows.runtime.store.base import Claimed
from workflows.runtime.sweep import close_run

GOOD = frozenset({RunState.SUCCEEDED, RunState.PARTIAL})


async def after_end(run: Claimed, journal: StoreJournal) -> None:
    """Clear away after it; what is lost here by a crash the sweeper finds. Repeatable.

    Most runs leave nothing behind and cost nothing here.
    """
    if journal.waited or journal.state not in GOOD:
        await asyncio.to_thread(close_run, run.pk)
