"""Live hints between processes: best effort, never the truth.

Whoever listens reads the truth from the database first and again after a gap. Embedded, the bus
is a dictionary of this process; with Redis it is one pub/sub connection per event loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
QUEUE_LENGTH = 2048
PREFIX = "loomwork:live:"
Message = dict[str, Any]


class Inbox:
    """Messages for one listener, filled from any thread, read in the loop that made it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE_LENGTH)

    def drop(self, message: Message) -> None:
        with suppress(RuntimeError):  # the loop is gone, and its listener with it
            self._loop.call_soon_threadsafe(self._put, message)

    def _put(self, message: Message) -> None:
        if self._queue.full():  # a slow listener loses the oldest hint, and catches up by number
            self._queue.get_nowait()
        self._queue.put_nowait(message)

    async def next(self, timeout: float) -> Message | None:
        """The next message, or None when none came in `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                return await self._queue.get()
        return None


class Listeners:
    """Who listens to which channel, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_channel: defaultdict[str, set[Inbox]] = defaultdict(set)

    def deliver(self, channel: str, message: Message) -> None:
        with self._lock:
            inboxes = tuple(self._by_channel.get(channel, ()))
        for inbox in inboxes:
            inbox.drop(message)

    def wanted(self, channel: str) -> bool:
        return channel in self._by_channel

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Inbox]:
        inbox = Inbox()
        with self._lock:
            self._by_channel[channel].add(inbox)
        try:
            yield inbox
        finally:
            with self._lock:
                self._by_channel[channel].discard(inbox)
                if not self._by_channel[channel]:
                    del self._by_channel[channel]


class Bus(Protocol):
    def publish(self, channel: str, message: Message) -> None:
        """Send without waiting, from inside an event loop; losing it must be harmless."""

    def publish_now(self, channel: str, message: Message) -> None:
        """Send from a thread without an event loop, waiting for it; losing it must be harmless."""

    def listen(self, channel: str) -> Any:
        """Async context manager that yields an `Inbox`."""


class LocalBus:
    """One process: threads and loops of it reach each other directly."""

    def __init__(self) -> None:
        self._listeners = Listeners()

    def publish(self, channel: str, message: Message) -> None:
        self._listeners.deliver(channel, message)

    publish_now = publish

    def listen(self, channel: str) -> Any:
        return self._listeners.listen(channel)


class RedisBus:
    """Many processes. What waits while a publish is under way goes out in the next pipeline."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._listeners = Listeners()
        self._outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, list[tuple[str, str]]] = (
            WeakKeyDictionary()
        )
        self._readers: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = (
            WeakKeyDictionary()
        )
        self._senders: set[asyncio.Task[None]] = set()

    def publish(self, channel: str, message: Message) -> None:
        loop = asyncio.get_running_loop()
        outbox = self._outboxes.setdefault(loop, [])
        outbox.append((PREFIX + channel, json.dumps(message)))
        if len(outbox) == 1:
            sender = loop.create_task(self._send(outbox))
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    def publish_now(self, channel: str, message: Message) -> None:
        try:
            with redis.from_url(self._url, socket_timeout=2, socket_connect_timeout=2) as client:
                client.publish(PREFIX + channel, json.dumps(message))
        except (RedisError, OSError):
            logger.warning("A live hint could not be sent; listeners will catch up by themselves.")

    async def _send(self, outbox: list[tuple[str, str]]) -> None:
        try:
            async with redis.asyncio.from_url(self._url) as client:
                while outbox:
                    batch = outbox[:512]
                    async with client.pipeline(transaction=False) as pipe:
                        for channel, text in batch:
                            pipe.publish(channel, text)
                        await pipe.execute()
                    del outbox[: len(batch)]
        except (RedisError, OSError):
            logger.warning("Live hints could not be sent; listeners will catch up by themselves.")
            outbox.clear()

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Inbox]:
        self._ensure_reader()
        async with self._listeners.listen(channel) as inbox:
            yield inbox

    def _ensure_reader(self) -> None:
        loop = asyncio.get_running_loop()
        reader = self._readers.get(loop)
        if reader is None or reader.done():
            self._readers[loop] = loop.create_task(self._read())

    async def _read(self) -> None:
        while True:
            try:
                async with redis.asyncio.from_url(self._url) as client, client.pubsub() as channels:
                    await channels.psubscribe(PREFIX + "*")
                    async for message in channels.listen():
                        self._take(message)
            except (RedisError, OSError):
                if _is_cancelled():  # the client turns a cancellation while it connects into this
                    raise asyncio.CancelledError from None
                logger.warning("The live channel broke; connecting again.")
                await asyncio.sleep(1)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] != "pmessage":
            return
        channel = message["channel"].decode().removeprefix(PREFIX)
        if self._listeners.wanted(channel):
            self._listeners.deliver(channel, json.loads(message["data"]))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@lru_cache(maxsize=1)
def get_bus() -> Bus:
    return RedisBus(settings.REDIS_URL) if settings.REDIS_URL else LocalBus()
