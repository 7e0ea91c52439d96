"""Reading the log lines of a run."""

from __future__ import annotations

from workflows.models import Run, RunLog

RANKS = tuple(RunLog.Level.values)
"""From the least to the worst."""


def lines_of(
    run: Run, *, after: int = 0, level: str = "", node: str = "", limit: int = 500
) -> tuple[list[RunLog], bool]:
    """Lines after the one with that id, of `level` or worse; and whether there are more."""
    rows = RunLog.objects.filter(run=run, pk__gt=after)
    if level:
        rows = rows.filter(level__in=RANKS[RANKS.index(level) :])
    if node:
        rows = rows.filter(node_id=node)
    found = list(rows.order_by("seq", "pk")[: limit + 1])
    return found[:limit], len(found) > limit
