"""PostgreSQL: a batch of holds is one statement, a batch of settlements is one statement.

Wallet rows are locked first and in id order, so batches of several processes cannot deadlock.
`FOR UPDATE` reads the newest version of a wallet; the rest of a statement sees its snapshot, which
is why references that turn out to be taken are read by a second statement.

A prepared statement keeps the plan it got while the tables were empty, so nothing here leaves the
planner a choice that is bad later: rows are looked up one by one behind `OFFSET 0`, and
`NOT IN (…)` instead of `= 'open'` keeps the partial index of open holds out of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

import psycopg
from django.db import connections
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from billing.ledger.repeating import repeating
from billing.ledger.shapes import (
    HOLD_LIFETIME,
    Existing,
    Held,
    HoldOutcome,
    HoldRequest,
    Insufficient,
    Row,
    Settled,
    Settlement,
    judge,
)
from core.database import tls_options
from core.groupcommit import GroupCommitter

POOL_SIZE = 3  # one batch of holds, one of settlements, one to spare while a broken one is replaced

HOLD = """
WITH asked AS (
  SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::uuid[],
    %s::text[], %s::text[], %s::text[], %s::uuid[], %s::uuid[]
  ) WITH ORDINALITY AS t(
    id, wallet_id, billing_ref, request_hash, amount, model, price_id,
    trace_id, run_id, node_id, api_key_id, user_id, n)
), locked AS MATERIALIZED (
  SELECT id, organization_id, balance + credit_limit - held AS available FROM billing_wallet
  WHERE id IN (SELECT wallet_id FROM asked) ORDER BY id FOR UPDATE
), fresh AS (
  SELECT asked.*, locked.organization_id, locked.available,
    sum(asked.amount) OVER (PARTITION BY asked.wallet_id ORDER BY asked.n) AS upto
  FROM asked JOIN locked ON locked.id = asked.wallet_id
  LEFT JOIN LATERAL (SELECT true AS taken FROM billing_hold h
    WHERE h.wallet_id = asked.wallet_id AND h.billing_ref = asked.billing_ref AND h.live
    OFFSET 0) known ON true
  WHERE known.taken IS NULL
), placed AS (
  INSERT INTO billing_hold (id, organization_id, wallet_id, billing_ref, request_hash, amount,
    captured, shortfall,
    state, live, model, price_id, trace_id, run_id, node_id, api_key_id, user_id, created_at,
    expires_at)
  SELECT id, organization_id, wallet_id, billing_ref, request_hash, amount, 0, 0,
    'open', true, model, price_id, trace_id, run_id, node_id, api_key_id, user_id, now(),
    now() + %s
  FROM fresh WHERE upto <= available
  ON CONFLICT (wallet_id, billing_ref) WHERE live DO NOTHING
  RETURNING id, wallet_id, amount
), moved AS (
  UPDATE billing_wallet w SET held = w.held + s.amount
  FROM (SELECT wallet_id, sum(amount)::bigint AS amount FROM placed GROUP BY 1) s
  WHERE w.id = s.wallet_id
)
SELECT asked.id, placed.id IS NOT NULL, fresh.upto <= fresh.available, locked.available
FROM asked JOIN locked ON locked.id = asked.wallet_id
LEFT JOIN fresh ON fresh.id = asked.id LEFT JOIN placed ON placed.id = asked.id
"""

EXISTING = """
SELECT h.wallet_id, h.billing_ref, h.id, h.request_hash, h.state, h.captured, h.answer
FROM unnest(%s::uuid[], %s::text[]) AS t(wallet_id, billing_ref)
JOIN billing_hold h ON h.wallet_id = t.wallet_id AND h.billing_ref = t.billing_ref AND h.live
"""

TAKE_OVER = """
UPDATE billing_hold SET expires_at = now() + %s
WHERE id = ANY(%s) AND state = 'open' RETURNING id
"""

SETTLE = """
WITH told AS (
  SELECT * FROM unnest(
    %s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::text[], %s::bool[], %s::text[], %s::int[], %s::int[], %s::bool[]
  ) WITH ORDINALITY AS t(
    id, cost, state, outcome, usage_source, prompt_tokens, cached_tokens,
    completion_tokens, answer, finished, deployment, latency_ms, ttft_ms, stream, n)
), known AS MATERIALIZED (
  SELECT told.*, h.wallet_id, h.amount FROM told CROSS JOIN LATERAL (
    SELECT wallet_id, amount FROM billing_hold WHERE id = told.id OFFSET 0) h
), locked AS MATERIALIZED (
  SELECT id, balance, greatest(balance + credit_limit - held, 0) AS available
  FROM billing_wallet
  WHERE id IN (SELECT wallet_id FROM known) ORDER BY id FOR UPDATE
), above AS (
  SELECT known.*, locked.balance, locked.available,
    greatest(known.cost - known.amount, 0) AS excess,
    sum(greatest(known.cost - known.amount, 0))
      OVER (PARTITION BY known.wallet_id ORDER BY known.n) AS upto
  FROM known JOIN locked ON locked.id = known.wallet_id
), fair AS (
  SELECT above.*, (least(cost, amount)
    + least(excess, greatest(available - (upto - excess), 0)))::bigint AS taken FROM above
), closed AS (
  UPDATE billing_hold h SET state = fair.state, captured = fair.taken,
    shortfall = fair.cost - fair.taken, answer = fair.answer, live = fair.finished,
    settled_at = now()
  FROM fair WHERE h.id = fair.id AND h.state NOT IN ('captured', 'released')
  RETURNING h.id, h.organization_id, h.wallet_id, h.amount, h.captured, h.shortfall, h.state,
    h.model, h.trace_id,
    h.run_id, h.node_id, h.api_key_id, h.user_id, fair.n, fair.balance, fair.outcome,
    fair.usage_source, fair.prompt_tokens, fair.cached_tokens, fair.completion_tokens,
    fair.deployment, fair.latency_ms, fair.ttft_ms, fair.stream
), moved AS (
  UPDATE billing_wallet w SET held = w.held - s.amount, balance = w.balance - s.captured
  FROM (SELECT wallet_id, sum(amount)::bigint AS amount, sum(captured)::bigint AS captured
        FROM closed GROUP BY 1) s
  WHERE w.id = s.wallet_id
), booked AS (
  INSERT INTO billing_ledgerentry (organization_id, wallet_id, kind, debit, credit, amount,
    balance_after, hold_id, note, trace_id, user_id, created_at)
  SELECT organization_id, wallet_id, 'capture', 'wallet', 'sales', captured,
    balance - sum(captured) OVER (PARTITION BY wallet_id ORDER BY n), id, model, trace_id,
    user_id, now()
  FROM closed WHERE state = 'captured' ORDER BY n
), used AS (
  INSERT INTO billing_usagerecord (organization_id, wallet_id, hold_id, model, deployment,
    prompt_tokens, cached_tokens, completion_tokens, cost, shortfall, usage_source, outcome,
    latency_ms, ttft_ms,
    stream, trace_id, run_id, node_id, api_key_id, user_id, created_at)
  SELECT organization_id, wallet_id, id, model, deployment, prompt_tokens, cached_tokens,
    completion_tokens, captured, shortfall, usage_source, outcome, latency_ms, ttft_ms, stream,
    trace_id, run_id,
    node_id, api_key_id, user_id, now()
  FROM closed ORDER BY n
)
SELECT id, captured, shortfall FROM closed
"""

AMOUNTS = "SELECT id, captured, shortfall FROM billing_hold WHERE id = ANY(%s)"


class PostgresLedger:
    """Group-committed statements on a small pool of autocommit connections."""

    def __init__(self) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[Row]] | None = None
        self._opening = asyncio.Lock()
        self._holds: GroupCommitter[HoldRequest, HoldOutcome] = GroupCommitter(self._flush_holds)
        self._settlements: GroupCommitter[Settlement, Settled] = GroupCommitter(
            self._flush_settlements
        )

    async def hold(self, request: HoldRequest) -> HoldOutcome:
        return await repeating(self._holds.put, request, psycopg.OperationalError)

    async def settle(self, settlement: Settlement) -> Settled:
        return await repeating(self._settlements.put, settlement, psycopg.OperationalError)

    async def close(self) -> None:
        await self._holds.close()
        await self._settlements.close()
        if self._pool is not None:
            await self._pool.close()

    async def _flush_holds(self, items: list[HoldRequest]) -> Sequence[HoldOutcome | Exception]:
        outcomes: dict[UUID, HoldOutcome] = {}
        pool = await self._open()
        async with pool.connection() as connection:
            waiting = items
            while waiting:
                waiting = await self._round(connection, waiting, outcomes)
        return [outcomes[item.hold_id] for item in items]

    async def _round(
        self,
        connection: AsyncConnection[Row],
        items: list[HoldRequest],
        outcomes: dict[UUID, HoldOutcome],
    ) -> list[HoldRequest]:
        """Place what can be placed; returns what must be asked again.

        The statement admits holds in order until one does not fit; smaller ones behind it get
        another round. Each round settles at least the first item of every wallet.
        """
        firsts = list({item.key: item for item in reversed(items)}.values())[::-1]
        cursor = await connection.execute(HOLD, [*_columns(firsts, _OF_HOLD), HOLD_LIFETIME])
        rows = {row[0]: row for row in await cursor.fetchall()}
        left = {item.wallet_id: int(rows[item.hold_id][3]) for item in firsts}
        for item in firsts:
            if rows[item.hold_id][1]:
                outcomes[item.hold_id] = Held(item.hold_id)
                left[item.wallet_id] -= item.amount
        again: list[HoldRequest] = []
        taken: list[HoldRequest] = [item for item in items if item.hold_id not in rows]
        for item in firsts:
            _, placed, fits, _ = rows[item.hold_id]
            if placed:
                continue
            if fits is not False:  # None: the reference was taken before; True: just now
                taken.append(item)
            elif item.amount > left[item.wallet_id]:
                outcomes[item.hold_id] = Insufficient(item.amount, left[item.wallet_id])
            else:
                again.append(item)
        if taken:
            again += await self._judge_taken(connection, taken, outcomes)
        return again

    async def _judge_taken(
        self,
        connection: AsyncConnection[Row],
        items: list[HoldRequest],
        outcomes: dict[UUID, HoldOutcome],
    ) -> list[HoldRequest]:
        """Answer those whose reference stands; returns those whose reference is free again."""
        keys = [[item.wallet_id for item in items], [item.billing_ref for item in items]]
        cursor = await connection.execute(EXISTING, keys)
        known = {(row[0], row[1]): Existing(*row[2:]) for row in await cursor.fetchall()}
        judged = {item.hold_id: judge(item, known[item.key]) for item in items if item.key in known}
        claims = {o.hold_id for o in judged.values() if isinstance(o, Held) and o.taken_over}
        if claims:
            cursor = await connection.execute(TAKE_OVER, [HOLD_LIFETIME, list(claims)])
            lost = claims - {row[0] for row in await cursor.fetchall()}
            judged = {
                key: o
                for key, o in judged.items()
                if not (isinstance(o, Held) and o.hold_id in lost)
            }
        outcomes.update(judged)
        return [item for item in items if item.hold_id not in judged]

    async def _flush_settlements(self, items: list[Settlement]) -> Sequence[Settled | Exception]:
        pool = await self._open()
        unique = list({item.hold_id: item for item in reversed(items)}.values())[::-1]
        async with pool.connection() as connection:
            cursor = await connection.execute(SETTLE, _columns(unique, _OF_SETTLEMENT))
            done = {row[0]: Settled(row[1], row[2], closed=True) for row in await cursor.fetchall()}
            missing = [item.hold_id for item in unique if item.hold_id not in done]
            if missing:
                cursor = await connection.execute(AMOUNTS, [missing])
                for hold_id, captured, shortfall in await cursor.fetchall():
                    done[hold_id] = Settled(captured, shortfall, closed=False)
        return [done.get(item.hold_id, LookupError("No such hold.")) for item in items]

    async def _open(self) -> AsyncConnectionPool[AsyncConnection[Row]]:
        async with self._opening:
            if self._pool is None:
                self._pool = AsyncConnectionPool(
                    kwargs=_connection_settings(),
                    configure=_keep_to_indexes,
                    min_size=1,
                    max_size=POOL_SIZE,
                    open=False,
                )
                await self._pool.open(wait=True, timeout=15)
        return self._pool


def _connection_settings() -> dict[str, Any]:
    """What Django would connect with; read late, because a test run renames the database."""
    wrapper = connections["default"]
    params = wrapper.get_connection_params()
    kept = ("dbname", "host", "port", "user", "password", "service")
    settings = {name: params[name] for name in kept if params.get(name)}
    return {**settings, **tls_options(), "autocommit": True, "prepare_threshold": 0}


async def _keep_to_indexes(connection: AsyncConnection[Row]) -> None:
    """Every row here is found by key, however small the tables are when the plan is made."""
    await connection.execute("SET enable_seqscan = off")
    await connection.execute("SET jit = off")


_OF_HOLD = attrgetter(
    "hold_id", "wallet_id", "billing_ref", "request_hash", "amount", "model", "price_id",
    "trace_id", "run_id", "node_id", "api_key_id", "user_id",
)  # fmt: skip
_OF_SETTLEMENT = attrgetter(
    "hold_id", "cost", "state", "outcome", "usage_source", "prompt_tokens", "cached_tokens",
    "completion_tokens", "answer", "finished", "deployment", "latency_ms", "ttft_ms", "stream",
)  # fmt: skip


def _columns(items: Iterable[Any], fields: attrgetter[Any]) -> list[str]:
    """The items turned on their side: one array literal a column, in the order of the statement."""
    return [_array(column) for column in zip(*map(fields, items), strict=True)]


def _array(values: Iterable[Any]) -> str:
    """A PostgreSQL array literal (manual, 8.15.6).

    psycopg's own dumper looks at every element several times; here, where some twenty arrays go
    with every batch, that was a third of the time a call cost.
    """
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
