"""SQLite: one thread writes; a batch of holds or settlements is one IMMEDIATE transaction.

The thread uses a Django connection of its own, so the settings' pragmas and lock time-out hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, connections, transaction

from billing.ledger.repeating import repeating
from billing.ledger.shapes import (
    Existing,
    Held,
    HoldOutcome,
    HoldRequest,
    Insufficient,
    Settled,
    Settlement,
    expiry,
    judge,
)
from core.groupcommit import GroupCommitter

PLACE = """
INSERT INTO billing_hold (organization_id, id, wallet_id, billing_ref, request_hash, amount,
  captured, shortfall,
  state, live, model, price_id, trace_id, run_id, node_id, api_key_id, user_id, created_at,
  expires_at)
VALUES ((SELECT organization_id FROM billing_wallet WHERE id = %s), %s, %s, %s, %s, %s, 0, 0,
  'open',
  1, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
MOVE = "UPDATE billing_wallet SET held = held + %s, balance = balance - %s WHERE id = %s"
CLOSE = """
UPDATE billing_hold SET state = %s, captured = %s, shortfall = %s, answer = %s, live = %s,
  settled_at = %s
WHERE id = %s
"""
BOOK = """
INSERT INTO billing_ledgerentry (organization_id, wallet_id, kind, debit, credit, amount,
  balance_after, hold_id, note, trace_id, user_id, created_at)
SELECT organization_id, wallet_id, 'capture', 'wallet', 'sales', captured, %s, id, model, trace_id,
  user_id,
  settled_at
FROM billing_hold WHERE id = %s
"""
USE = """
INSERT INTO billing_usagerecord (organization_id, wallet_id, hold_id, model, cost, shortfall,
  trace_id, run_id, node_id, api_key_id, user_id, created_at, deployment, prompt_tokens,
    cached_tokens,
  completion_tokens, usage_source, outcome, latency_ms, ttft_ms, stream)
SELECT organization_id, wallet_id, id, model, captured, shortfall, trace_id, run_id, node_id,
  api_key_id, user_id, settled_at, %s, %s, %s, %s, %s, %s, %s, %s, %s
FROM billing_hold WHERE id = %s
"""


class SqliteLedger:
    """Group commit onto one writer thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._holds: GroupCommitter[HoldRequest, HoldOutcome] = GroupCommitter(self._flush_holds)
        self._settlements: GroupCommitter[Settlement, Settled] = GroupCommitter(
            self._flush_settlements
        )

    async def hold(self, request: HoldRequest) -> HoldOutcome:
        return await repeating(self._holds.put, request, OperationalError)

    async def settle(self, settlement: Settlement) -> Settled:
        return await repeating(self._settlements.put, settlement, OperationalError)

    async def close(self) -> None:
        await self._holds.close()
        await self._settlements.close()
        await self._write(connections.close_all)
        self._thread.shutdown(wait=False)

    async def _flush_holds(self, items: list[HoldRequest]) -> Sequence[HoldOutcome | Exception]:
        return await self._write(place_holds, items)

    async def _flush_settlements(self, items: list[Settlement]) -> Sequence[Settled | Exception]:
        return await self._write(settle_holds, items)

    async def _write(self, work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def place_holds(items: list[HoldRequest]) -> list[HoldOutcome | Exception]:
    """Place the holds that fit, in order of arrival, in one transaction."""
    at = datetime.now(UTC)
    outcomes: list[HoldOutcome | Exception] = []
    placed: list[tuple[Any, ...]] = []
    added: dict[UUID, int] = {}
    with transaction.atomic(), connections["default"].cursor() as cursor:
        available = _available(cursor, {item.wallet_id for item in items})
        known = _existing(cursor, items)
        for item in items:
            outcome = _decide(cursor, item, known, available, at)
            outcomes.append(outcome)
            if isinstance(outcome, Held) and item.key not in known:
                known[item.key] = Existing(item.hold_id, item.request_hash, "open", 0, None)
                available[item.wallet_id] -= item.amount
                added[item.wallet_id] = added.get(item.wallet_id, 0) + item.amount
                placed.append(_hold_row(item, at))
        if placed:
            cursor.executemany(PLACE, placed)
            cursor.executemany(MOVE, [(n, 0, wallet.hex) for wallet, n in added.items()])
    return outcomes


def _decide(
    cursor: Any,
    item: HoldRequest,
    known: dict[tuple[UUID, str], Existing],
    available: dict[UUID, int],
    at: datetime,
) -> HoldOutcome:
    existing = known.get(item.key)
    if existing is None:
        if item.amount > available[item.wallet_id]:
            return Insufficient(item.amount, available[item.wallet_id])
        return Held(item.hold_id)
    outcome = judge(item, existing)
    if isinstance(outcome, Held) and outcome.taken_over:
        cursor.execute(
            "UPDATE billing_hold SET expires_at = %s WHERE id = %s",
            [_time(expiry(at)), outcome.hold_id.hex],
        )
    return outcome


def settle_holds(items: list[Settlement]) -> list[Settled | Exception]:
    """Close the holds that are open, in order, in one transaction."""
    at = _time(datetime.now(UTC))
    with transaction.atomic(), connections["default"].cursor() as cursor:
        return [_settle(cursor, item, at) for item in items]


def _settle(cursor: Any, item: Settlement, at: str) -> Settled | Exception:
    cursor.execute(
        "SELECT h.state, h.captured, h.shortfall, h.amount, h.wallet_id, w.balance,"
        " w.balance + w.credit_limit - w.held FROM billing_hold h"
        " JOIN billing_wallet w ON w.id = h.wallet_id WHERE h.id = %s",
        [item.hold_id.hex],
    )
    row = cursor.fetchone()
    if row is None:
        return LookupError("No such hold.")
    state, captured, shortfall, amount, wallet, balance, available = row
    if state != "open":
        return Settled(captured, shortfall, closed=False)
    taken = min(item.cost, amount + max(available, 0))
    hold_id, lacking = item.hold_id.hex, item.cost - taken
    cursor.execute(MOVE, [-amount, taken, wallet])
    cursor.execute(CLOSE, [item.state, taken, lacking, item.answer, item.finished, at, hold_id])
    if item.state == "captured":
        cursor.execute(BOOK, [balance - taken, hold_id])
    cursor.execute(USE, [*_usage_row(item), hold_id])
    return Settled(taken, lacking, closed=True)


def _available(cursor: Any, wallets: set[UUID]) -> dict[UUID, int]:
    marks = ", ".join(["%s"] * len(wallets))
    cursor.execute(
        f"SELECT id, balance + credit_limit - held FROM billing_wallet WHERE id IN ({marks})",  # nosec B608 # noqa: S608 - only marks
        [wallet.hex for wallet in wallets],
    )
    return {UUID(wallet): available for wallet, available in cursor.fetchall()}


def _existing(cursor: Any, items: list[HoldRequest]) -> dict[tuple[UUID, str], Existing]:
    marks = ", ".join(["(%s, %s)"] * len(items))
    cursor.execute(
        "SELECT wallet_id, billing_ref, id, request_hash, state, captured, answer FROM billing_hold"  # nosec B608 # noqa: S608 - only marks
        f" WHERE live AND (wallet_id, billing_ref) IN (VALUES {marks})",
        [value for item in items for value in (item.wallet_id.hex, item.billing_ref)],
    )
    return {
        (UUID(wallet), ref): Existing(UUID(hold_id), *rest)
        for wallet, ref, hold_id, *rest in cursor.fetchall()
    }


def _hold_row(item: HoldRequest, at: datetime) -> tuple[Any, ...]:
    return (
        item.wallet_id.hex,
        item.hold_id.hex,
        item.wallet_id.hex,
        item.billing_ref,
        item.request_hash,
        item.amount,
        item.model,
        _hex(item.price_id),
        item.trace_id,
        item.run_id,
        item.node_id,
        _hex(item.api_key_id),
        _hex(item.user_id),
        _time(at),
        _time(expiry(at)),
    )


def _usage_row(item: Settlement) -> tuple[Any, ...]:
    return (
        item.deployment,
        item.prompt_tokens,
        item.cached_tokens,
        item.completion_tokens,
        item.usage_source,
        item.outcome,
        item.latency_ms,
        item.ttft_ms,
        item.stream,
    )


def _hex(value: UUID | None) -> str | None:
    return value.hex if value else None


def _time(at: datetime) -> str:
    """A time as Django stores it in SQLite: naive UTC text."""
    return str(connections["default"].ops.adapt_datetimefield_value(at))
