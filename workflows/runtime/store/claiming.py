"""Claiming on PostgreSQL: organizations take turns, each by priority, then by age.

The statement steps from organization to organization through the index of queued runs, from where
the last claim stopped and around, and takes as many of each as fit; so it costs the same whether
one organization has ten runs queued or ten thousand.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

NOBODY = UUID(int=0)
MOST_PASSES = 64
"""Statements of one claim, where organizations that may have no more lie in its way."""
RUN_FIELDS = (
    "id", "public_id", "epoch", "organization_id", "workflow_id", "version_id", "trace_id",
    "inputs", "system", "wakes", "crashes", "seq", "control", "started_by_id", "api_key_id",
    "generation", "deadline_at", "parent_id", "parent_node", "parent_iteration", "concurrency_key",
)  # fmt: skip
ORGANIZATION = RUN_FIELDS.index("organization_id")

_NEXT = """(SELECT organization_id FROM workflows_run WHERE state = 'queued'
   AND organization_id > {after} ORDER BY organization_id LIMIT 1)"""
_FIRST = _NEXT.replace("AND organization_id > {after} ", "")
_BUSY = """, busy AS MATERIALIZED (
  SELECT organization_id, count(*) AS n FROM workflows_run WHERE state = 'running' GROUP BY 1
)"""
_SHARE = "%(size)s / (SELECT count(*) FROM o)"
_ROOM = f"""LEAST({_SHARE}, GREATEST(0, %(cap)s
      - COALESCE((SELECT busy.n FROM busy WHERE busy.organization_id = o.id), 0)))"""  # nosec B608 # noqa: S608 - constants of this module
_CLAIM = """
WITH RECURSIVE o AS (
  SELECT s.id, s.id AS first, false AS around, 1 AS n
  FROM (SELECT COALESCE({start}, {first}) AS id) s WHERE s.id IS NOT NULL
  UNION ALL
  SELECT x.id, o.first, x.id <= o.id OR o.around, o.n + 1
  FROM o CROSS JOIN LATERAL (SELECT COALESCE({next}, {first}) AS id) x
  WHERE o.n < %(size)s AND x.id IS NOT NULL
    AND NOT ((x.id <= o.id OR o.around) AND x.id >= o.first)
){busy}, u AS (
  UPDATE workflows_run SET state = 'running', epoch = epoch + 1, owner = %(owner)s,
         started_at = COALESCE(started_at, now())
  WHERE id = ANY(ARRAY(
    SELECT q.id FROM o CROSS JOIN LATERAL (
      SELECT r.id FROM workflows_run r WHERE r.state = 'queued' AND r.organization_id = o.id
      ORDER BY r.priority DESC, r.id LIMIT {room} FOR UPDATE SKIP LOCKED) q))
  RETURNING {fields}, step_count
)
SELECT u.*, i.visited, i.last FROM (
  SELECT count(*) AS visited, (array_agg(id ORDER BY n DESC))[1] AS last FROM o) i
LEFT JOIN u ON true
"""


def _statement(room: str, busy: str = "") -> str:
    return _CLAIM.format(
        start=_NEXT.format(after="%(after)s"),
        next=_NEXT.format(after="o.id"),
        first=_FIRST,
        room=room,
        busy=busy,
        fields=", ".join(RUN_FIELDS),
    )


OPEN = _statement(_SHARE)
CAPPED = _statement(_ROOM, _BUSY)
"""With at most `cap` runs of one organization under way. Two claims at once may go over by one."""


class Turns:
    """Where the claims of one process stand on their way around the organizations."""

    def __init__(self, cap: int = 0) -> None:
        """`cap`: runs of one organization under way in all processes; 0: any number."""
        self._after = NOBODY
        self._cap = cap
        self._statement = CAPPED if cap else OPEN

    async def take(
        self, connection: AsyncConnection[TupleRow], owner: UUID, size: int
    ) -> list[tuple[Any, ...]]:
        """Up to `size` runs. Fewer: nobody has any more that could be taken now.

        What another claim holds at this moment is taken there. Each row ends in its `step_count`.
        """
        found: list[tuple[Any, ...]] = []
        for _ in range(MOST_PASSES):
            rest = size - len(found)
            given = {"after": self._after, "owner": owner, "size": rest, "cap": self._cap}
            rows = await (await connection.execute(self._statement, given)).fetchall()
            visited, last = rows[0][-2:]
            taken = [row[:-2] for row in rows if row[0] is not None]
            found.extend(taken)
            self._after = last or NOBODY
            if len(found) == size or (visited < rest and not _more(taken, rest // (visited or 1))):
                break
        return found


def _more(taken: list[tuple[Any, ...]], share: int) -> bool:
    """Whether an organization had as many runs as its share, so there may be more."""
    return max(Counter(row[ORGANIZATION] for row in taken).values(), default=0) >= share
