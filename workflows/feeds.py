"""Live reads that all watchers of a process share.

A feed is one task of one event loop: it listens to one channel, reads what is new once, writes it
as text once, and hands the text to everybody who watches. A watcher first reads for itself what it
missed, then takes from the feed what is newer; one that is too slow loses what waits for it and
reads for itself again. So a thousand watchers cost one read an event.
"""

from __future__ import annotations

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from core.bus import Inbox, get_bus

logger = logging.getLogger(__name__)
WAITING = 1_000
"""Frames that wait for one slow watcher, before it has to read for itself."""
HEARTBEAT = ": still here\n\n"
HEARTBEAT_SECONDS = 15.0
AGAIN_SECONDS = 1.0


def frame(event: str, data: Any, number: int | None = None) -> str:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


@dataclass(frozen=True, slots=True)
class Piece:
    """Text for watchers. `number` orders what is history; None is said once and not kept.

    `about` is what a watcher chooses by.
    """

    text: str
    number: int | None = None
    about: Any = None


OVER = Piece("")
"""Nothing more will come."""


class Watcher:
    """What waits for one of those who watch. Used in the feed's own loop only."""

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()
        self._news = asyncio.Event()
        self._lost = False

    def put(self, piece: Piece) -> None:
        if len(self._waiting) >= WAITING:
            self._waiting.clear()
            self._lost = True
        self._waiting.append(piece)
        self._news.set()

    def lose(self) -> None:
        """The feed itself may have missed something."""
        self._lost = True
        self._news.set()

    async def next(self) -> list[Piece] | None:
        """All that waits, in order; None when something was lost; a heartbeat after silence."""
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return [Piece(HEARTBEAT)]
        self._news.clear()
        pieces = list(self._waiting)
        self._waiting.clear()
        lost, self._lost = self._lost, False
        return None if lost else pieces

    async def pieces(self) -> AsyncIterator[Piece]:
        """All that comes, until something is lost."""
        while (pieces := await self.next()) is not None:
            for piece in pieces:
                yield piece


class Feed(ABC):
    """Subclasses read; this one keeps the watchers."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.watchers: set[Watcher] = set()
        self.task: asyncio.Task[None] | None = None

    def tell(self, piece: Piece) -> None:
        for watcher in self.watchers:
            watcher.put(piece)

    async def run(self) -> None:
        async with get_bus().listen(self.channel) as inbox:
            while True:
                try:
                    if await self.follow(inbox):
                        self.tell(OVER)
                        return
                except Exception:
                    logger.exception("A live read failed; trying again.")
                    await asyncio.sleep(AGAIN_SECONDS)

    @abstractmethod
    async def follow(self, inbox: Inbox) -> bool:
        """Read what is new, tell it, then wait for more; True when nothing more can come."""


F = TypeVar("F", bound=Feed)
_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Feed]] = WeakKeyDictionary()


@asynccontextmanager
async def watching(key: Hashable, make: Callable[[], F]) -> AsyncIterator[tuple[F, Watcher]]:
    """The loop's feed of that key, made by the first who watches, ended with the last."""
    loop = asyncio.get_running_loop()
    feeds: dict[Hashable, Any] = _feeds.setdefault(loop, {})
    feed = feeds.get(key)
    if feed is None or feed.task is None or feed.task.done():
        feed = feeds[key] = make()
        feed.task = loop.create_task(feed.run())
    watcher = Watcher()
    feed.watchers.add(watcher)
    try:
        yield feed, watcher
    finally:
        feed.watchers.discard(watcher)
        if not feed.watchers:
            if feeds.get(key) is feed:
                del feeds[key]
            feed.task.cancel()
