"""Trying again when the database was away for a moment: both calls may safely be repeated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

PAUSES = (0.05, 0.5, 2.0)
"""Seconds. A connection that was cut is replaced at once, a server that restarts takes longer."""


async def repeating(
    put: Callable[[Item], Awaitable[Outcome]], item: Item, away: type[Exception]
) -> Outcome:
    """`put(item)`, again after each pause while it raises `away`; the last error goes through."""
    for pause in PAUSES:
        try:
            return await put(item)
        except away:
            logger.warning("the database did not answer; trying again", exc_info=True)
            await asyncio.sleep(pause)
    return await put(item)
