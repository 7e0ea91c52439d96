"""What goes wrong, when, and to whom: planned by the seed, done to real processes."""

import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from urllib.parse import urlparse

import psycopg

from bench.chaos.processes import Broker, Process
from bench.database import SERVER

WEIGHTS = {
    "worker killed": 8,
    "worker paused over its lease": 4,
    "worker ended": 2,
    "beat killed": 2,
    "broker killed": 3,
    "broker connections cut": 2,
    "messages lost": 2,
    "database connections cut": 5,
}
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
HOLDERS = """
SELECT p.pid, count(r.id) FROM workflows_workerprocess p
LEFT JOIN workflows_run r ON r.owner = p.id AND r.state = 'running'
GROUP BY p.pid
"""
PATIENCE = 4.0
"""Seconds in which some worker may take a run in hand before any of them is killed."""


def plan(rng: Random, kills: int) -> list[str]:
    """Every cause at least once where there are enough of them, the rest by weight."""
    causes = list(WEIGHTS)
    rest = rng.choices(causes, list(WEIGHTS.values()), k=max(kills - len(causes), 0))
    found = [*(causes if kills >= len(causes) else _few(kills)), *rest]
    rng.shuffle(found)
    return found


def _few(kills: int) -> list[str]:
    most = sorted(WEIGHTS, key=lambda cause: -WEIGHTS[cause])
    return most[:kills]


class Disturber:
    """`kills` counts what was done by cause, `in_hand` the runs that those workers had."""

    def __init__(
        self, rng: Random, workers: list[Process], beat: Process, broker: Broker, lease: float
    ) -> None:
        self._rng, self._workers, self._beat, self._broker = rng, workers, beat, broker
        self._lease = lease
        self._database = urlparse(os.environ["DATABASE_URL"]).path.strip("/")
        self._admin = psycopg.connect(SERVER, autocommit=True)
        self.kills: Counter[str] = Counter()
        self.in_hand = 0
        self._deeds: dict[str, Callable[[], None]] = {
            "worker killed": self._kill_worker,
            "worker paused over its lease": self._pause_worker,
            "worker ended": self._end_worker,
            "beat killed": self._kill_beat,
            "broker killed": self._kill_broker,
            "broker connections cut": broker.cut,
            "messages lost": broker.forget,
            "database connections cut": self._cut_database,
        }

    def disturb(self, cause: str) -> None:
        self._deeds[cause]()
        self.kills[cause] += 1

    def _kill_worker(self) -> None:
        worker = self._busy_worker()
        worker.kill()
        worker.start()

    def _end_worker(self) -> None:
        worker = self._busy_worker()
        worker.end()
        worker.start()

    def _pause_worker(self) -> None:
        self._busy_worker().pause(self._lease + self._rng.uniform(1.2, 2.5))

    def _kill_beat(self) -> None:
        self._beat.kill()
        self._beat.start()

    def _kill_broker(self) -> None:
        self._broker.kill(self._rng.uniform(0.1, 1.5))

    def _cut_database(self) -> None:
        self._admin.execute(CUT, (self._database,))

    def _busy_worker(self) -> Process:
        """One that has runs in hand, if any takes some soon."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            held = self._held()
            busy = [worker for worker in self._workers if held.get(worker.pid)]
            if busy:
                chosen = self._rng.choice(busy)
                self.in_hand += held[chosen.pid]
                return chosen
            time.sleep(0.02)
        return self._rng.choice(self._workers)

    def _held(self) -> dict[int, int]:
        with (
            suppress(psycopg.Error),
            psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as own,
        ):
            return dict(own.execute(HOLDERS).fetchall())
        return {}

    def close(self) -> None:
        self._admin.close()
