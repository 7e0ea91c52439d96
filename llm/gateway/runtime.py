"""What one event loop keeps between calls: a client session, caches, work that must end well."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import aiohttp
from django.db import connections

from billing.ledger import close_ledger
from core.http import client_session

Key = TypeVar("Key")
Value = TypeVar("Value")

FRESH_SECONDS = 1.0
"""How long a disabled model or an old price may live on."""
KEY_FRESH_SECONDS = 0.8
"""How long a revoked key may live on: a second, less the time that reading takes."""
READ_THREADS = 4
CLOSE_SECONDS = 5.0
CONNECT_SECONDS = 10
SILENCE_SECONDS = 300
"""A provider that sends nothing for so long is taken for dead."""


class FreshCache(Generic[Key, Value]):
    """Values read in a thread and kept for a while; callers who miss together read once."""

    def __init__(
        self,
        runtime: Runtime,
        load: Callable[[Key], Value],
        fresh: float = FRESH_SECONDS,
        size: int = 10_000,
    ) -> None:
        self._runtime = runtime
        self._load = load
        self._fresh = fresh
        self._size = size
        self._known: dict[Key, tuple[float, asyncio.Task[Value]]] = {}

    async def get(self, key: Key) -> Value:
        known = self._known.get(key)
        at = time.monotonic()
        if known is not None and at - known[0] < self._fresh and not _failed(known[1]):
            task = known[1]
            return task.result() if task.done() else await asyncio.shield(task)
        task = self._runtime.spawn(self._runtime.in_thread(self._load, key))
        if len(self._known) >= self._size:
            self._known.clear()
        self._known[key] = (at, task)
        return await asyncio.shield(task)


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


class Runtime:
    """Made by the first call on a loop, closed with it."""

    def __init__(self) -> None:
        # Late: these modules import this one.
        from llm.gateway.authenticate import read_key  # noqa: PLC0415
        from llm.gateway.catalog import read_catalog  # noqa: PLC0415

        self.pid = os.getpid()
        self.keys = FreshCache(self, read_key, KEY_FRESH_SECONDS)
        self.catalogs = FreshCache(self, read_catalog)
        self.draining = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._threads = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="gateway")
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = client_session(
                limit=0,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
                ),
            )
        return self._session

    def spawn(self, work: Coroutine[Any, Any, Value]) -> asyncio.Task[Value]:
        """Run `work` in a task of its own, which nobody's disconnect cancels."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def in_thread(self, work: Callable[..., Value], *args: Any) -> Value:
        """Run blocking database work; its connection is given back at once."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _and_give_back, work, *args)

    async def close(self) -> None:
        """Let calls under way settle for a moment; what is left is taken over or released later."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        self._threads.shutdown(wait=False)


def _and_give_back(work: Callable[..., Value], *args: Any) -> Value:
    try:
        return work(*args)
    finally:
        connections.close_all()  # no request ends here that would do it


_runtimes: WeakKeyDictionary[asyncio.AbstractEventLoop, Runtime] = WeakKeyDictionary()


def get_runtime() -> Runtime:
    loop = asyncio.get_running_loop()
    runtime = _runtimes.get(loop)
    if runtime is None or runtime.pid != os.getpid():
        runtime = _runtimes[loop] = Runtime()
    return runtime


async def close_gateway() -> None:
    """Whoever runs an event loop that called models awaits this before it ends."""
    runtime = _runtimes.pop(asyncio.get_running_loop(), None)
    if runtime is not None:
        await runtime.close()
    await close_ledger()
