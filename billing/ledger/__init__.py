"""The hot path of money: hold before a model call, settle after it, durably and in groups.

One ledger object per event loop, for the database the settings name. Rules live in database
constraints; what is written here only decides who is told what. Whoever runs an event loop awaits
`close_ledger()` before it ends.
"""

from __future__ import annotations

import asyncio
import os
from typing import Protocol
from weakref import WeakKeyDictionary

from django.db import connections

from billing.ledger.shapes import (
    Held,
    HoldOutcome,
    HoldRequest,
    Insufficient,
    RefInUse,
    Replayed,
    Settled,
    Settlement,
)

__all__ = [
    "Held",
    "HoldOutcome",
    "HoldRequest",
    "Insufficient",
    "Ledger",
    "RefInUse",
    "Replayed",
    "Settled",
    "Settlement",
    "close_ledger",
    "get_ledger",
]


class Ledger(Protocol):
    """Both calls return once their effect is durable. Both may be repeated."""

    async def hold(self, request: HoldRequest) -> HoldOutcome: ...

    async def settle(self, settlement: Settlement) -> Settled: ...

    async def close(self) -> None: ...


_ledgers: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[int, Ledger]] = WeakKeyDictionary()


def get_ledger() -> Ledger:
    """The running loop's ledger; a forked child gets its own connections."""
    loop = asyncio.get_running_loop()
    pid, ledger = _ledgers.get(loop, (0, None))
    if ledger is None or pid != os.getpid():
        ledger = _open()
        _ledgers[loop] = (os.getpid(), ledger)
    return ledger


async def close_ledger() -> None:
    """Flush what waits and give the running loop's connections back."""
    _, ledger = _ledgers.pop(asyncio.get_running_loop(), (0, None))
    if ledger is not None:
        await ledger.close()


def _open() -> Ledger:
    # Late: only the driver of the database in use is imported.
    if connections["default"].vendor == "postgresql":
        from billing.ledger.postgres import PostgresLedger  # noqa: PLC0415

        return PostgresLedger()
    from billing.ledger.sqlite import SqliteLedger  # noqa: PLC0415

    return SqliteLedger()
