"""Group commit: whoever arrives while a write is under way rides in the next one.

One statement for many callers is what makes durable steps and holds cheap. The committer never
waits to fill a batch: an idle one flushes at once, a busy one collects meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Flush = Callable[[list[Item]], Awaitable[Sequence[Outcome | Exception]]]


class CommitterClosed(RuntimeError):
    """The committer takes nothing more; its owner is shutting down."""


class GroupCommitter(Generic[Item, Outcome]):
    """Batches `put` calls of one event loop into calls of `flush`, in order of arrival.

    `flush` answers one outcome an item, in the same order; an outcome that is an exception is
    raised to that item's caller alone. When `flush` itself raises, its items are tried again one
    by one, so that a bad item fails alone: `flush` must therefore be all or nothing, or repeatable.
    A caller that is cancelled stops waiting; its item is written all the same.
    """

    def __init__(self, flush: Flush[Item, Outcome], max_batch: int = 256) -> None:
        self._flush = flush
        self._max_batch = max_batch
        self._queue: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    async def put(self, item: Item) -> Outcome:
        """Return the item's outcome once it is flushed. Raises CommitterClosed after `close`."""
        if self._closed:
            raise CommitterClosed("This group committer is closed.")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Outcome] = loop.create_future()
        self._queue.append((item, waiter))
        if self._worker is None:
            self._worker = loop.create_task(self._drain())
        return await waiter

    async def close(self) -> None:
        """Refuse new items and return when everything taken so far is flushed."""
        self._closed = True
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _drain(self) -> None:
        batch: list[tuple[Item, asyncio.Future[Outcome]]] = []
        try:
            while self._queue:
                size = min(len(self._queue), self._max_batch)
                batch = [self._queue.popleft() for _ in range(size)]
                await self._commit(batch)
        finally:
            self._worker = None
            for _, waiter in [*batch, *self._queue]:  # left over only when the loop is ending
                waiter.cancel()
            self._queue.clear()

    async def _commit(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        outcomes = await self._try([item for item, _ in batch])
        if isinstance(outcomes, Exception) and len(batch) > 1 and not isinstance(outcomes, _Short):
            for entry in batch:
                await self._commit([entry])
            return
        if isinstance(outcomes, Exception):
            outcomes = [outcomes] * len(batch)
        for (_, waiter), outcome in zip(batch, outcomes, strict=True):
            _settle(waiter, outcome)

    async def _try(self, items: list[Item]) -> Sequence[Outcome | Exception] | Exception:
        try:
            outcomes = await self._flush(items)
        except Exception as error:  # noqa: BLE001 - every failure belongs to the callers waiting
            return error
        if len(outcomes) != len(items):  # written already, so never try these again
            return _Short(f"flush answered {len(outcomes)} outcomes for {len(items)} items")
        return outcomes


class _Short(RuntimeError):
    """`flush` broke its contract: an outcome for every item."""


def _settle(waiter: asyncio.Future[Outcome], outcome: Outcome | Exception) -> None:
    if waiter.done():  # its caller was cancelled
        return
    if isinstance(outcome, Exception):
        waiter.set_exception(outcome)
    else:
        waiter.set_result(outcome)
