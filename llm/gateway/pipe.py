"""Between a call, which nothing may cancel, and its client, who may leave at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

ROOM = 64
"""Pieces a slow client may be behind before its provider is read more slowly."""


class Pipe:
    """The sink of an HTTP client. `get` returns None when there is nothing more to come."""

    def __init__(self) -> None:
        self.gone = False
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(ROOM)
        self._on_leave: Callable[[], None] | None = None

    def on_leave(self, act: Callable[[], None]) -> None:
        self._on_leave = act
        if self.gone:
            act()

    def leave(self) -> None:
        """The client is gone: pieces are dropped from now on, whoever waits for room goes on."""
        if self.gone:
            return
        self.gone = True
        while not self._pieces.empty():
            self._pieces.get_nowait()
        self._pieces.put_nowait(None)
        if self._on_leave is not None:
            self._on_leave()

    async def put(self, piece: bytes, events: list[dict[str, Any]]) -> None:
        if not self.gone:
            await self._pieces.put(piece)

    async def close(self) -> None:
        if not self.gone:
            await self._pieces.put(None)

    async def get(self) -> bytes | None:
        return None if self.gone else await self._pieces.get()
