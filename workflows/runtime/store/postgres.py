"""Runs in PostgreSQL: every batch is one statement, fenced per run by its epoch.

No ORM here: it costs ten times the CPU of the statement. The join is on (run, epoch), never on
the run alone, or a zombie's step could slip in beside its successor's. Steps are numbered in the
order they came, whatever plan the join takes: a run is rebuilt from them in that order.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from core.database import conninfo
from core.jsonsafe import dump_json
from workflows.runner import Signal, Step, Wait
from workflows.runtime.store.base import Claimed, Commit, Committed, Group, fold
from workflows.runtime.store.claiming import RUN_FIELDS, Turns
from workflows.runtime.store.rows import (
    MOST_LOGS,
    SIGNAL_FIELDS,
    STEP_FIELDS,
    WAIT_FIELDS,
    log_row,
    signal_of,
    step_of,
    wait_of,
)

STEPS = f"SELECT {', '.join(STEP_FIELDS)} FROM workflows_step WHERE run_id = ANY(%s) ORDER BY id"  # nosec B608 # noqa: S608 - constants
WAITS = f"SELECT {', '.join(WAIT_FIELDS)} FROM workflows_runwait WHERE run_id = ANY(%s)"  # nosec B608 # noqa: S608 - constants
SIGNALS = (
    f"SELECT {', '.join(SIGNAL_FIELDS)} FROM workflows_signal "  # nosec B608 # noqa: S608 - constants
    "WHERE run_id = ANY(%s) ORDER BY id"
)
SEQ, WAKES = RUN_FIELDS.index("seq"), RUN_FIELDS.index("wakes")
DEFINITION = "SELECT definition FROM workflows_workflowversion WHERE id = %s"

_RUNS = """
c AS (
  SELECT * FROM jsonb_to_recordset(%(runs)s::jsonb) AS t(id bigint, epoch int, wakes int,
    state text, outputs jsonb, error jsonb, n_events int, n_steps int, tokens bigint, cost bigint,
    ends bool)
), u AS (
  UPDATE workflows_run r SET
    seq = r.seq + c.n_events, step_count = r.step_count + c.n_steps,
    tokens = r.tokens + c.tokens, cost = r.cost + c.cost,
    state = CASE WHEN c.state = '' THEN r.state
                 WHEN c.state = 'waiting' AND r.control = 'pause' THEN 'paused'
                 WHEN c.state = 'waiting' AND (r.wakes <> c.wakes OR r.control = 'cancel')
                   THEN 'queued'
                 WHEN c.state = 'paused' AND r.control <> 'pause' THEN 'queued'
                 ELSE c.state END,
    owner = CASE WHEN c.state = '' THEN r.owner END,
    crashes = CASE WHEN c.n_steps > 0 THEN 0 ELSE r.crashes END,
    outputs = COALESCE(c.outputs, r.outputs), error = COALESCE(c.error, r.error),
    ended_at = CASE WHEN c.ends THEN clock_timestamp() ELSE r.ended_at END
  FROM c
  WHERE r.id = ANY (%(ids)s::bigint[]) AND r.id = c.id
    AND CASE r.state WHEN 'running' THEN r.epoch END = c.epoch
  RETURNING r.id, r.epoch, r.seq, r.seq - c.n_events AS base, r.control, r.state, r.wakes,
    r.organization_id
)"""
_PARTS = {
    "steps": """, s AS (
  INSERT INTO workflows_step (organization_id, run_id, node_id, iteration, kind, status, handle,
    attempts, inputs, outputs, error, error_code, usage, cost, started_at, ended_at)
  SELECT u.organization_id, v.run_id, v.node_id, COALESCE(v.iteration, ''), v.kind,
    COALESCE(v.status, 'succeeded'), COALESCE(v.handle, 'source'), COALESCE(v.attempts, 1),
    COALESCE(v.inputs, '{}'), COALESCE(v.outputs, '{}'), COALESCE(v.error, ''),
    COALESCE(v.error_code, ''), COALESCE(v.usage, '{}'), COALESCE(v.cost, 0), v.started_at,
    v.ended_at
  FROM jsonb_to_recordset(%(steps)s::jsonb) AS v(run_id bigint, epoch int, n int, node_id text,
    iteration text, kind text, status text, handle text, attempts smallint, inputs jsonb,
    outputs jsonb, error text, error_code text, usage jsonb, cost bigint, started_at timestamptz,
    ended_at timestamptz)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
  ORDER BY v.n
)""",
    "events": """, e AS (
  INSERT INTO workflows_event (organization_id, run_id, seq, kind, node_id, data, at)
  SELECT u.organization_id, v.run_id, u.base + v.n, v.kind, COALESCE(v.node_id, ''),
    COALESCE(v.data, '{}'), clock_timestamp()
  FROM jsonb_to_recordset(%(events)s::jsonb) AS v(run_id bigint, epoch int, n int, kind text,
    node_id text, data jsonb)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
)""",
    "waits": """, w AS (
  INSERT INTO workflows_runwait (organization_id, run_id, node_id, iteration, kind, key, wake_at,
    data, created_at)
  SELECT u.organization_id, v.run_id, v.node_id, v.iteration, v.kind, v.key, v.wake_at, v.data,
    COALESCE(v.created_at, now())
  FROM jsonb_to_recordset(%(waits)s::jsonb) AS v(run_id bigint, epoch int, node_id text,
    iteration text, kind text, key text, wake_at timestamptz, data jsonb, created_at timestamptz)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
  ON CONFLICT (run_id, node_id, iteration) DO UPDATE SET kind = excluded.kind,
    key = excluded.key, wake_at = excluded.wake_at, data = excluded.data
)""",
    "resolved": """, d AS (
  SELECT v.run_id, v.node_id, v.iteration
  FROM jsonb_to_recordset(%(resolved)s::jsonb) AS v(run_id bigint, epoch int, node_id text,
    iteration text)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
), dw AS (
  DELETE FROM workflows_runwait x USING d
  WHERE x.run_id = d.run_id AND x.node_id = d.node_id AND x.iteration = d.iteration
), ds AS (
  DELETE FROM workflows_signal x USING d
  WHERE x.run_id = d.run_id AND x.node_id = d.node_id AND x.iteration = d.iteration
)""",
    "consumed": """, cs AS (
  DELETE FROM workflows_signal x
  USING jsonb_to_recordset(%(consumed)s::jsonb) AS v(run_id bigint, epoch int, id bigint)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
  WHERE x.id = v.id AND x.run_id = v.run_id
)""",
    "logs": f""", l AS (
  INSERT INTO workflows_runlog (organization_id, run_id, seq, node_id, iteration, level, message,
    at)
  SELECT u.organization_id, v.run_id, b.last + v.n, v.node_id, v.iteration, v.level, v.message,
    COALESCE(v.at, clock_timestamp())
  FROM jsonb_to_recordset(%(logs)s::jsonb) AS v(run_id bigint, epoch int, n int, node_id text,
    iteration text, level text, message text, at timestamptz)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
  CROSS JOIN LATERAL (SELECT COALESCE(max(x.seq), 0) AS last FROM workflows_runlog x
                      WHERE x.run_id = u.id) b
  WHERE b.last + v.n <= {MOST_LOGS}
  ORDER BY v.run_id, v.n
)""",  # nosec B608 # noqa: S608 - a number of ours
}


@cache
def statement(parts: frozenset[str]) -> str:
    """The commit of runs with these `parts` beside them; each form is prepared once.

    Rows travel as one JSON text a table, without what is as usual: an array a column costs psycopg
    twice as much. As jsonb it is read once; as json, once more for every column that is jsonb.
    Runs are found by their numbers. Their state hides in an expression, or the planner would read
    the index of running runs, where every step leaves a version behind.
    """
    inserts = "".join(text for name, text in _PARTS.items() if name in parts)
    return f"WITH {_RUNS}{inserts} SELECT id, epoch, seq, control, state, wakes FROM u"  # nosec B608 # noqa: S608 - constants of this module


class PostgresStore:
    """A few autocommit connections; more would gain nothing on the small machines we run on."""

    def __init__(self, connections: int = 3) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            conninfo(),
            min_size=1,
            max_size=connections,
            kwargs={"autocommit": True, "prepare_threshold": 0},
            configure=_by_index,
            open=False,
        )
        self._turns = Turns(settings.ENGINE_ORGANIZATION_SLOTS)

    async def open(self) -> None:
        await self._pool.open(wait=True, timeout=10)

    async def close(self) -> None:
        await self._pool.close(timeout=5)

    async def claim(self, owner: UUID, limit: int) -> list[Claimed]:
        async with self._pool.connection() as connection:
            rows = await self._turns.take(connection, owner, limit)
            started = [row[0] for row in rows if row[-1] or row[SEQ] > 1 or row[WAKES]]
            extra = await _rows_of(connection, started)
        return sorted((_claimed(row, extra) for row in rows), key=lambda run: run.pk)

    async def commit(self, commits: list[Commit]) -> list[Committed]:
        groups = fold(commits)
        given = _parameters(groups)
        ask = statement(frozenset(given) - {"runs", "ids"})
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(ask, given)).fetchall()
        done = {(row[0], row[1]): Committed(True, *row[2:]) for row in rows}
        fenced = Committed(ok=False)
        return [done.get((commit.run_pk, commit.epoch), fenced) for commit in commits]

    async def signals(self, run_pk: int) -> tuple[Signal, ...]:
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(SIGNALS, ([run_pk],))).fetchall()
        return tuple(map(signal_of, rows))

    async def definition(self, version_id: UUID) -> dict[str, Any]:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(DEFINITION, (version_id,))).fetchone()
        if row is None:
            raise LookupError(f"version {version_id} is gone")
        definition: dict[str, Any] = row[0]
        return definition


_PLANS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_mergejoin": "off",
}


async def _by_index(connection: AsyncConnection[TupleRow]) -> None:
    """Plans are made once, and maybe while tables are small: they must not read all of them."""
    for name, value in _PLANS.items():
        await connection.execute(f"SET {name} = {value}")


async def _rows_of(connection: AsyncConnection[TupleRow], pks: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {name: defaultdict(list) for name in ("steps", "waits", "signals")}
    if not pks:
        return found
    reads = (("steps", STEPS, step_of), ("waits", WAITS, wait_of), ("signals", SIGNALS, signal_of))
    for name, statement, make in reads:
        for row in await (await connection.execute(statement, (pks,))).fetchall():
            found[name][row[0]].append(make(row))
    return found


def _claimed(row: tuple[Any, ...], extra: dict[str, Any]) -> Claimed:
    values: dict[str, Any] = dict(zip(RUN_FIELDS, row, strict=False))
    pk = values.pop("id")
    values |= {name: tuple(by_run.get(pk, ())) for name, by_run in extra.items()}
    return Claimed(pk=pk, **values)


def _parameters(groups: dict[tuple[int, int], Group]) -> dict[str, str]:
    """The rows of each table as JSON, in order of arrival; tables without any are left out.

    Beside them the numbers of the runs, as an array.
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("runs", *_PARTS)}
    for group in groups.values():
        rows["runs"].append(_run_row(group))
        own = {"run_id": group.run_pk, "epoch": group.epoch}
        for n, step in enumerate(group.steps, start=len(rows["steps"])):
            rows["steps"].append(_step_row(group, n, step))
        for n, event in enumerate(group.events, start=1):
            rows["events"].append(_event_row(group, n, *event))
        rows["waits"].extend(own | _wait_row(wait) for wait in group.waits.values())
        rows["resolved"].extend(
            own | {"node_id": node_id, "iteration": iteration}
            for node_id, iteration in group.resolved
        )
        rows["consumed"].extend(own | {"id": pk} for pk in group.consumed)
        rows["logs"].extend(
            own | {"n": n, **log_row(line)}
            for n, line in enumerate(group.logs[:MOST_LOGS], start=1)
        )
    ids = ",".join(str(group.run_pk) for group in groups.values())
    given = {name: dump_json(found) for name, found in rows.items() if found}
    return given | {"ids": f"{{{ids}}}"}


def _run_row(group: Group) -> dict[str, Any]:
    return {
        "id": group.run_pk,
        "epoch": group.epoch,
        "wakes": group.wakes,
        "state": group.state,
        "outputs": group.outputs,
        "error": group.error,
        "n_events": len(group.events),
        "n_steps": len(group.steps),
        "tokens": group.tokens,
        "cost": group.cost,
        "ends": group.ends,
    }


def _step_row(group: Group, n: int, step: Step) -> dict[str, Any]:
    row = {
        "run_id": group.run_pk,
        "epoch": group.epoch,
        "n": n,
        "node_id": step.node_id,
        "kind": step.kind,
        "started_at": step.started_at.isoformat(),
        "ended_at": step.ended_at.isoformat(),
    }
    for name, usual in _USUAL:
        value = getattr(step, name)
        if value != usual:
            row[name] = value
    return row


_USUAL: tuple[tuple[str, Any], ...] = (
    ("iteration", ""), ("status", "succeeded"), ("handle", "source"), ("attempts", 1),
    ("inputs", {}), ("outputs", {}), ("error", ""), ("error_code", ""), ("usage", {}), ("cost", 0),
)  # fmt: skip
"""What the statement puts where a step's row says nothing."""


def _event_row(
    group: Group, n: int, kind: str, node_id: str, data: dict[str, Any]
) -> dict[str, Any]:
    row: dict[str, Any] = {"run_id": group.run_pk, "epoch": group.epoch, "n": n, "kind": kind}
    if node_id:
        row["node_id"] = node_id
    if data:
        row["data"] = data
    return row


def _wait_row(wait: Wait) -> dict[str, Any]:
    return {name: getattr(wait, name) for name in WAIT_FIELDS[1:]}
