"""Step 6: passing an answer on while it is written, and knowing how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp

from llm.gateway.assembly import Assembly
from llm.gateway.runtime import get_runtime
from llm.gateway.shapes import Call
from llm.gateway.sse import Event, EventTooLarge, Splitter
from llm.gateway.upstream import Upstream

DRAIN_SECONDS = 30.0
"""After a client left, its answer is read on for so long: the provider bills it anyway, and its
own count is better than our estimate."""
MAX_DRAINS = 200
LONGEST_SECONDS = 600.0
"""An answer that takes longer is cut off, while its hold is still alive (billing.ledger.shapes)."""
BROKEN = (aiohttp.ClientError, OSError, EventTooLarge)


class Sink(Protocol):
    """Where the pieces of an answer go."""

    @property
    def gone(self) -> bool:
        """Nobody listens any more."""

    def on_leave(self, act: Callable[[], None]) -> None:
        """Call `act` when the listener leaves, or now if that has happened."""

    async def put(self, piece: bytes, events: list[dict[str, Any]]) -> None:
        """Take a piece; waits while the listener is slow, never once it has gone."""


async def relay(call: Call, upstream: Upstream, sink: Sink, assembly: Assembly) -> bool:
    """Pass a stream on, all but its `[DONE]`; returns whether the answer came to its end."""
    splitter = Splitter()
    try:
        async with patience(sink):
            async for chunk in upstream.chunks():
                if await _pass_on(call, list(splitter.feed(chunk)), sink, assembly):
                    return assembly.error is None
    except BROKEN:  # TimeoutError is an OSError: silence, or a client gone for too long
        pass
    return bool(assembly.finish_reason) and assembly.error is None


async def _pass_on(call: Call, events: list[Event], sink: Sink, assembly: Assembly) -> bool:
    """One chunk's events; True when the stream has said its last."""
    shown: list[Event] = []
    done = False
    for event in events:
        done = done or event.done
        if done:
            break
        if event.data is not None:
            assembly.add(event.data)
        if not (call.hide_usage and _only_usage(event)):
            shown.append(event)
        done = assembly.error is not None
    if shown:
        call.touch()
        data = [event.data for event in shown if event.data is not None]
        await sink.put(b"".join(event.raw for event in shown), data)
    return done


def _only_usage(event: Event) -> bool:
    data = event.data
    return data is not None and data.get("usage") is not None and not data.get("choices")


@asynccontextmanager
async def patience(sink: Sink) -> AsyncIterator[None]:
    """A time-out that runs short when the listener leaves. Raises TimeoutError."""
    runtime = get_runtime()
    over = left = False

    async with asyncio.timeout(LONGEST_SECONDS) as deadline:

        def leave() -> None:
            nonlocal left
            if over or left:
                return
            left = True
            runtime.draining += 1
            seconds = DRAIN_SECONDS if runtime.draining <= MAX_DRAINS else 0
            deadline.reschedule(asyncio.get_running_loop().time() + seconds)

        sink.on_leave(leave)
        try:
            yield
        finally:
            over = True
            runtime.draining -= left
