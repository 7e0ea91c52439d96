"""Runs in PostgreSQL: every batch is one statement, fenced per run by its epoch.

No ORM here: it costs ten times the CPU of the statement. The join is on (run, epoch), never on
the run alone, or a zombie's step could slip in beside its successor's. Steps are numbered in the
order they came, whatever plan the join takes: a run is rebuilt from them in that order.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from core.database import conninfo
from core.jsonsafe import dump_json
from workflows.runtime.store.base import Claimed, Commit, Committed, Group, fold
from workflows.runtime.store.rows import (
    SIGNAL_FIELDS,
    STEP_FIELDS,
    WAIT_FIELDS,
    signal_of,
    step_of,
    wait_of,
)

RUN_FIELDS = (
    "id", "public_id", "epoch", "organization_id", "workflow_id", "version_id", "trace_id",
    "inputs", "system", "wakes", "crashes", "seq", "control", "started_by_id", "api_key_id",
)  # fmt: skip

CLAIM = f"""
UPDATE workflows_run SET state = 'running', epoch = epoch + 1, owner = %s,
       started_at = COALESCE(started_at, now())
WHERE id IN (SELECT id FROM workflows_run WHERE state = 'queued'
             ORDER BY priority DESC, id LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING {", ".join(RUN_FIELDS)}, step_count
"""  # nosec B608 # noqa: S608 - constants of this module
STEPS = f"SELECT {', '.join(STEP_FIELDS)} FROM workflows_step WHERE run_id = ANY(%s) ORDER BY id"  # nosec B608 # noqa: S608 - constants
WAITS = f"SELECT {', '.join(WAIT_FIELDS)} FROM workflows_runwait WHERE run_id = ANY(%s)"  # nosec B608 # noqa: S608 - constants
SIGNALS = (
    f"SELECT {', '.join(SIGNAL_FIELDS)} FROM workflows_signal "  # nosec B608 # noqa: S608 - constants
    "WHERE run_id = ANY(%s) ORDER BY id"
)
DEFINITION = "SELECT definition FROM workflows_workflowversion WHERE id = %s"

COMMIT = """
WITH c AS (
  SELECT * FROM unnest(%(id)s::bigint[], %(epoch)s::int[], %(wakes)s::int[], %(state)s::text[],
    %(outputs)s::jsonb[], %(error)s::jsonb[], %(n_events)s::int[], %(n_steps)s::int[],
    %(tokens)s::bigint[], %(cost)s::bigint[], %(ends)s::bool[])
  AS t(id, epoch, wakes, state, outputs, error, n_events, n_steps, tokens, cost, ends)
), u AS (
  UPDATE workflows_run r SET
    seq = r.seq + c.n_events, step_count = r.step_count + c.n_steps,
    tokens = r.tokens + c.tokens, cost = r.cost + c.cost,
    state = CASE WHEN c.state = '' THEN r.state
                 WHEN c.state = 'waiting' AND r.wakes <> c.wakes THEN 'queued'
                 ELSE c.state END,
    owner = CASE WHEN c.state = '' THEN r.owner END,
    outputs = COALESCE(c.outputs, r.outputs), error = COALESCE(c.error, r.error),
    ended_at = CASE WHEN c.ends THEN clock_timestamp() ELSE r.ended_at END
  FROM c WHERE r.id = c.id AND r.epoch = c.epoch AND r.state = 'running'
  RETURNING r.id, r.epoch, r.seq, r.seq - c.n_events AS base, r.control, r.state, r.organization_id
), s AS (
  INSERT INTO workflows_step (organization_id, run_id, node_id, iteration, kind, status, handle,
    attempts, inputs, outputs, error, error_code, usage, cost, started_at, ended_at)
  SELECT u.organization_id, v.run_id, v.node_id, v.iteration, v.kind, v.status, v.handle,
    v.attempts, v.inputs, v.outputs, v.error, v.error_code, v.usage, v.cost, v.started_at,
    v.ended_at
  FROM unnest(%(s_run)s::bigint[], %(s_epoch)s::int[], %(s_node_id)s::text[],
    %(s_iteration)s::text[], %(s_kind)s::text[], %(s_status)s::text[], %(s_handle)s::text[],
    %(s_attempts)s::smallint[], %(s_inputs)s::jsonb[], %(s_outputs)s::jsonb[], %(s_error)s::text[],
    %(s_error_code)s::text[], %(s_usage)s::jsonb[], %(s_cost)s::bigint[],
    %(s_started_at)s::timestamptz[], %(s_ended_at)s::timestamptz[]) WITH ORDINALITY
  AS v(run_id, epoch, node_id, iteration, kind, status, handle, attempts, inputs, outputs, error,
    error_code, usage, cost, started_at, ended_at, n)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
  ORDER BY v.n
), e AS (
  INSERT INTO workflows_event (organization_id, run_id, seq, kind, node_id, data, at)
  SELECT u.organization_id, v.run_id, u.base + v.n, v.kind, v.node_id, v.data, clock_timestamp()
  FROM unnest(%(e_run)s::bigint[], %(e_epoch)s::int[], %(e_n)s::int[], %(e_kind)s::text[],
    %(e_node_id)s::text[], %(e_data)s::jsonb[]) AS v(run_id, epoch, n, kind, node_id, data)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
), w AS (
  INSERT INTO workflows_runwait (organization_id, run_id, node_id, iteration, kind, key, wake_at,
    data, created_at)
  SELECT u.organization_id, v.run_id, v.node_id, v.iteration, v.kind, v.key, v.wake_at, v.data,
    now()
  FROM unnest(%(w_run)s::bigint[], %(w_epoch)s::int[], %(w_node_id)s::text[],
    %(w_iteration)s::text[], %(w_kind)s::text[], %(w_key)s::text[], %(w_wake_at)s::timestamptz[],
    %(w_data)s::jsonb[]) AS v(run_id, epoch, node_id, iteration, kind, key, wake_at, data)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
  ON CONFLICT (run_id, node_id, iteration) DO NOTHING
), d AS (
  SELECT v.run_id, v.node_id, v.iteration
  FROM unnest(%(d_run)s::bigint[], %(d_epoch)s::int[], %(d_node_id)s::text[],
    %(d_iteration)s::text[]) AS v(run_id, epoch, node_id, iteration)
  JOIN u ON u.id = v.run_id AND u.epoch = v.epoch
), dw AS (
  DELETE FROM workflows_runwait x USING d
  WHERE x.run_id = d.run_id AND x.node_id = d.node_id AND x.iteration = d.iteration
), ds AS (
  DELETE FROM workflows_signal x USING d
  WHERE x.run_id = d.run_id AND x.node_id = d.node_id AND x.iteration = d.iteration
)
SELECT id, epoch, seq, control, state FROM u
"""
_STEP_JSON = frozenset({"inputs", "outputs", "usage"})
_STEP_TEXT = frozenset({"error", "handle", "node_id", "iteration"})


class PostgresStore:
    """A few autocommit connections; more would gain nothing on the small machines we run on."""

    def __init__(self, connections: int = 3) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            conninfo(),
            min_size=1,
            max_size=connections,
            kwargs={"autocommit": True, "prepare_threshold": 0},
            open=False,
        )

    async def open(self) -> None:
        await self._pool.open(wait=True, timeout=10)

    async def close(self) -> None:
        await self._pool.close(timeout=5)

    async def claim(self, owner: UUID, limit: int) -> list[Claimed]:
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(CLAIM, (owner, limit))).fetchall()
            started = [row[0] for row in rows if row[-1] or row[RUN_FIELDS.index("seq")] > 1]
            extra = await _rows_of(connection, started)
        return sorted((_claimed(row, extra) for row in rows), key=lambda run: run.pk)

    async def commit(self, commits: list[Commit]) -> list[Committed]:
        groups = fold(commits)
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(COMMIT, _parameters(groups))).fetchall()
        done = {(row[0], row[1]): Committed(True, *row[2:]) for row in rows}
        fenced = Committed(ok=False)
        return [done.get((commit.run_pk, commit.epoch), fenced) for commit in commits]

    async def definition(self, version_id: UUID) -> dict[str, Any]:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(DEFINITION, (version_id,))).fetchone()
        if row is None:
            raise LookupError(f"version {version_id} is gone")
        definition: dict[str, Any] = row[0]
        return definition


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


def _parameters(groups: dict[tuple[int, int], Group]) -> dict[str, list[Any]]:
    """One array per column; the order within each is the order of arrival."""
    columns: dict[str, list[Any]] = defaultdict(list)
    for name in _ALL_COLUMNS:
        columns[name] = []
    for group in groups.values():
        _add_run(columns, group)
        for step in group.steps:
            _add_step(columns, group, step)
        for n, event in enumerate(group.events, start=1):
            _add_event(columns, group, n, event)
        for wait in group.waits:
            _add_wait(columns, group, wait)
        for node_id, iteration in group.resolved:
            _add(columns, "d_", group, node_id=node_id, iteration=iteration)
    return columns


_ALL_COLUMNS = (
    "id", "epoch", "wakes", "state", "outputs", "error", "n_events", "n_steps", "tokens", "cost",
    "ends", "s_run", "s_epoch", "e_run", "e_epoch", "e_n", "e_kind", "e_node_id", "e_data", "w_run",
    "w_epoch", "d_run", "d_epoch", "d_node_id", "d_iteration",
    *(f"s_{name}" for name in STEP_FIELDS[1:]),
    *(f"w_{name}" for name in WAIT_FIELDS[1:]),
)  # fmt: skip


def _add_run(columns: dict[str, list[Any]], group: Group) -> None:
    columns["id"].append(group.run_pk)
    columns["epoch"].append(group.epoch)
    columns["wakes"].append(group.wakes)
    columns["state"].append(str(group.state))
    columns["outputs"].append(None if group.outputs is None else dump_json(group.outputs))
    columns["error"].append(None if group.error is None else dump_json(group.error))
    columns["n_events"].append(len(group.events))
    columns["n_steps"].append(len(group.steps))
    columns["tokens"].append(group.tokens)
    columns["cost"].append(group.cost)
    columns["ends"].append(group.ends)


def _add(columns: dict[str, list[Any]], prefix: str, group: Group, **values: Any) -> None:
    columns[f"{prefix}run"].append(group.run_pk)
    columns[f"{prefix}epoch"].append(group.epoch)
    for name, value in values.items():
        columns[f"{prefix}{name}"].append(value)


def _add_step(columns: dict[str, list[Any]], group: Group, step: Any) -> None:
    values: dict[str, Any] = {}
    for name in STEP_FIELDS[1:]:
        value = getattr(step, name)
        if name in _STEP_JSON:
            value = dump_json(value)
        elif name in _STEP_TEXT:
            value = _text(value)
        values[name] = value
    _add(columns, "s_", group, **values)


def _add_event(
    columns: dict[str, list[Any]], group: Group, n: int, event: tuple[str, str, dict[str, Any]]
) -> None:
    kind, node_id, data = event
    _add(columns, "e_", group, n=n, kind=kind, node_id=node_id, data=dump_json(data))


def _add_wait(columns: dict[str, list[Any]], group: Group, wait: Any) -> None:
    values = {name: getattr(wait, name) for name in WAIT_FIELDS[1:]}
    values["data"] = dump_json(wait.data)
    _add(columns, "w_", group, **values)


def _text(value: str) -> str:
    """PostgreSQL's text holds neither NUL nor lone surrogates."""
    if "\x00" not in value and value.isprintable():
        return value
    return value.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")
