"""What follows the end of a run that its worker brought about."""

from __future__ import annotations

import asyncio

from workflows.runner import GOOD
from workflows.runtime.ending import close_children
from workflows.runtime.family import tell_parent
from workflows.runtime.journal import StoreJournal
from workflows.runtime.store.base import Claimed
from workflows.runtime.sweep import close_run
from workflows.triggers.ended import fire_for, is_quiet


async def after_end(run: Claimed, journal: StoreJournal) -> None:
    """Clear away after it; what is lost here by a crash the sweeper finds. Repeatable.

    Most runs leave nothing behind and cost nothing here.
    """
    if journal.waited or journal.state not in GOOD or run.concurrency_key:
        await asyncio.to_thread(close_run, run.pk)
    if journal.waited:
        await asyncio.to_thread(close_children, run.pk)
    if run.parent_id is not None:
        await asyncio.to_thread(tell_parent, run.pk)
    if not is_quiet(run.workflow_id):
        await asyncio.to_thread(fire_for, run.pk, run.workflow_id)
