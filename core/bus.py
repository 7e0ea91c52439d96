"""Live hints between processes: best effort, never the truth.

Whoever listens reads the truth from the database first and again after a gap. Embedded, the bus
is a dictionary of this process; with Redis each event loop has one connection to listen, subscribed
to what is wanted there and nothing else, and one to send.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import Counter, defaultdict
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
BATCH = 512
WAITING = 20_000
"""Hints that wait to be sent from one loop; while Redis is away the oldest beyond these go."""
AGAIN_SECONDS = 1.0
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
    """Who listens to which channel: of a process, or of one of its loops."""

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


class _Reader:
    """The one subscription of a loop: to each channel that anybody in it listens to."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.listeners = Listeners()
        self._wanted: Counter[str] = Counter()
        self._channels: Any = None
        """The open subscription; None while there is none."""
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Inbox]:
        async with self.listeners.listen(channel) as inbox:
            self._wanted[channel] += 1
            if self._task is None or self._task.done():
                self._task = asyncio.get_running_loop().create_task(self._read())
            elif self._wanted[channel] == 1:
                await self._tell("subscribe", channel)
            try:
                yield inbox
            finally:
                self._wanted[channel] -= 1
                if not self._wanted[channel]:
                    del self._wanted[channel]
                    await self._tell("unsubscribe", channel)

    async def _tell(self, word: str, channel: str) -> None:
        """Where the connection is broken the reader notices too, and asks for all anew."""
        if self._channels is not None:
            # The client of a connection that has just gone has no writer left to complain about.
            with suppress(RedisError, OSError, AttributeError):
                await getattr(self._channels, word)(PREFIX + channel)

    async def _read(self) -> None:
        while True:
            try:
                async with redis.asyncio.from_url(self._url) as client, client.pubsub() as channels:
                    # One of its own, so that there is always one: the client stops at none.
                    await channels.subscribe(PREFIX, *(PREFIX + name for name in self._wanted))
                    self._channels = channels
                    await self._catch_up(channels)
                    async for message in channels.listen():
                        self._take(message)
            except (RedisError, OSError):
                if _is_cancelled():  # the client turns a cancellation while it connects into this
                    raise asyncio.CancelledError from None
                logger.warning("The live channel broke; connecting again.")
            finally:
                self._channels = None
            await asyncio.sleep(AGAIN_SECONDS)

    async def _catch_up(self, channels: Any) -> None:
        """Subscribe to what was asked for while the first subscription was under way."""
        known = {name.decode() for name in channels.channels}
        if late := [PREFIX + name for name in self._wanted if PREFIX + name not in known]:
            await channels.subscribe(*late)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        channel = message["channel"].decode().removeprefix(PREFIX)
        if self.listeners.wanted(channel):
            self.listeners.deliver(channel, json.loads(message["data"]))


class _Sender:
    """What waits while a publish is under way goes out in the next pipeline, by one connection."""

    def __init__(self, url: str) -> None:
        self._client = redis.asyncio.from_url(url)
        self._outbox: list[tuple[str, str]] = []
        self._task: asyncio.Task[None] | None = None

    def put(self, channel: str, text: str) -> None:
        self._outbox.append((channel, text))
        if len(self._outbox) > WAITING:
            del self._outbox[: len(self._outbox) - WAITING]
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        """A connection that Redis closed meanwhile is opened again once for the same batch."""
        failures = 0
        while self._outbox:
            batch, self._outbox = self._outbox[:BATCH], self._outbox[BATCH:]
            for again in (True, False):
                try:
                    await self._pipe(batch)
                    break
                except (RedisError, OSError):
                    await self._client.connection_pool.disconnect()
                    if not again:
                        failures += 1
            if failures:
                logger.warning("Live hints could not be sent; listeners catch up by themselves.")
                self._outbox.clear()
        self._task = None

    async def _pipe(self, batch: list[tuple[str, str]]) -> None:
        async with self._client.pipeline(transaction=False) as pipe:
            for channel, text in batch:
                pipe.publish(channel, text)
            await pipe.execute()


class RedisBus:
    """Many processes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._readers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Reader] = WeakKeyDictionary()
        self._senders: WeakKeyDictionary[asyncio.AbstractEventLoop, _Sender] = WeakKeyDictionary()
        self._threads = redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)

    def publish(self, channel: str, message: Message) -> None:
        loop = asyncio.get_running_loop()
        sender = self._senders.get(loop)
        if sender is None:
            sender = self._senders[loop] = _Sender(self._url)
        sender.put(PREFIX + channel, json.dumps(message))

    def publish_now(self, channel: str, message: Message) -> None:
        try:
            self._threads.publish(PREFIX + channel, json.dumps(message))
        except (RedisError, OSError):
            logger.warning("A live hint could not be sent; listeners will catch up by themselves.")

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Inbox]:
        loop = asyncio.get_running_loop()
        reader = self._readers.get(loop)
        if reader is None:
            reader = self._readers[loop] = _Reader(self._url)
        async with reader.listen(channel) as inbox:
            yield inbox


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@lru_cache(maxsize=1)
def get_bus() -> Bus:
    return RedisBus(settings.REDIS_URL) if settings.REDIS_URL else LocalBus()
