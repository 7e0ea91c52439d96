"""What an engine counts of its own work, for whoever scrapes (`config.metrics`).

Counting is additions to dictionaries of this process: a worker looks at each commit once, after it
is durable. At most every `PUBLISH_SECONDS` what was counted goes into the cache, where the web
processes read it; a worker needs no port of its own. Losing that costs a stale figure.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from django.core.cache import cache

from workflows.runner import ENDED
from workflows.runtime.store.base import Commit, Committed

logger = logging.getLogger(__name__)
PUBLISH_SECONDS = 5.0
KEPT_SECONDS = 7 * 86_400
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
Flush = Callable[[list[Commit]], Awaitable[list[Committed]]]


class Histogram:
    """Counts by upper bound, as Prometheus writes them, and the sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Tally:
    """All that one process counted since it began. Used in its engine's loop alone."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.commit_seconds = Histogram(SECONDS)
        self.commit_size = Histogram(SIZES)
        self.step_seconds: dict[str, Histogram] = {}
        self._published_at = 0.0

    def observe(self, commits: list[Commit], results: list[Committed], seconds: float) -> None:
        """One statement of the store: what it made durable, what was fenced, how long it took."""
        counts = self.counts
        counts["commits",] += 1
        self.commit_seconds.add(seconds)
        self.commit_size.add(len(commits))
        for commit, done in zip(commits, results, strict=True):
            if not done.ok:
                counts["fenced",] += 1
                continue
            change = commit.change
            if change.waits:
                counts["waits",] += len(change.waits)
            if change.state is not None and change.state in ENDED:
                counts["ended", str(change.state)] += 1
            for step in change.steps:
                counts["steps", step.kind, step.status] += 1
                if step.attempts > 1:
                    counts["retries", step.kind] += step.attempts - 1
                known = self.step_seconds.get(step.kind)
                if known is None:
                    known = self.step_seconds[step.kind] = Histogram(SECONDS)
                known.add((step.ended_at - step.started_at).total_seconds())

    def as_json(self) -> dict[str, Any]:
        return {
            "counts": [[list(key), count] for key, count in self.counts.items()],
            "commit_seconds": _json(self.commit_seconds),
            "commit_size": _json(self.commit_size),
            "step_seconds": {kind: _json(found) for kind, found in self.step_seconds.items()},
        }

    def due(self) -> bool:
        at = time.monotonic()
        if at - self._published_at < PUBLISH_SECONDS:
            return False
        self._published_at = at
        return True


def _json(found: Histogram) -> dict[str, Any]:
    return {"bounds": list(found.bounds), "counts": list(found.counts), "sum": found.sum}


tally = Tally()
"""This process's own."""


def observed(flush: Flush) -> Flush:
    """`flush`, with all it does counted: `GroupCommitter(observed(store.commit))`."""

    async def count(commits: list[Commit]) -> list[Committed]:
        began = time.perf_counter()
        results = await flush(commits)
        tally.observe(commits, results, time.perf_counter() - began)
        if tally.due():
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, publish, tally.as_json())
        return results

    return count


def place_of(host: str, pid: int) -> str:
    return f"engine-metrics:{host}:{pid}"


def publish(found: dict[str, Any]) -> None:
    """Put what this process counted where web processes find it."""
    try:
        cache.set(place_of(socket.gethostname()[:120], os.getpid()), found, KEPT_SECONDS)
    except Exception:
        logger.warning("What the engine counted could not be published.", exc_info=True)
