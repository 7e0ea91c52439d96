"""Ends a stream that a key holds open once the key is revoked or expired.

All streams of an event loop share one read: however many are open, the database is asked for their
keys at most once every `FRESH_SECONDS`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.utils.timezone import now

from orgs.models import ApiKey

FRESH_SECONDS = 0.4
CHECK_SECONDS = 0.4
"""With the read, a stream ends well within a second of its key."""


class KeyWatch:
    """The keys that hold streams of one event loop open."""

    def __init__(self) -> None:
        self.watched: Counter[UUID] = Counter()
        self._live: set[UUID] = set()
        self._read_at = 0.0
        self._lock = asyncio.Lock()

    async def lives(self, key_id: UUID) -> bool:
        async with self._lock:
            if time.monotonic() - self._read_at >= FRESH_SECONDS:
                asked_at = time.monotonic()
                self._live = await _read_live(set(self.watched))
                self._read_at = asked_at
        return key_id in self._live

    def add(self, key_id: UUID) -> None:
        self.watched[key_id] += 1
        self._live.add(key_id)  # it was verified a moment ago

    def drop(self, key_id: UUID) -> None:
        self.watched[key_id] -= 1
        self.watched += Counter()  # forget what stands at zero


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, KeyWatch] = WeakKeyDictionary()


async def while_key_lives(key_id: UUID, frames: AsyncIterator[str]) -> AsyncIterator[str]:
    """`frames`, until they end or the key does."""
    watch = _watches.setdefault(asyncio.get_running_loop(), KeyWatch())
    watch.add(key_id)
    upcoming = asyncio.ensure_future(anext(frames))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=CHECK_SECONDS)
            if not await watch.lives(key_id):
                return
            if done:
                try:
                    piece = upcoming.result()
                except StopAsyncIteration:
                    return
                yield piece
                upcoming = asyncio.ensure_future(anext(frames))
    finally:
        watch.drop(key_id)
        upcoming.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await upcoming
        await frames.aclose()  # type: ignore[attr-defined]  # a generator


@sync_to_async
def _read_live(ids: set[UUID]) -> set[UUID]:
    try:
        return set(ApiKey.objects.live(now()).filter(pk__in=ids).values_list("pk", flat=True))
    finally:
        close_old_connections()
