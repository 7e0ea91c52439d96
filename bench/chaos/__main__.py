"""Chaos: runs of every shape while everything that carries them is killed at random.

Real Celery workers and beat on a PostgreSQL database of their own, a Redis broker, and a server
that counts side effects. Workers are killed, paused over their lease and ended, beat and broker are
killed, their connections and the database's are cut, messages are lost. Afterwards every run must
have come to what a model says, every effect exactly once, every history without a gap, and nobody
may hold anything. Exit status 1 and the histories of the runs that are not so, otherwise.

    make chaos-engine            or  .venv/bin/python -m bench.chaos --runs 30 --kills 10 --seed 7

The last line is JSON: runs, kills, lost, doubled, gaps, and more. It takes about five minutes.
"""

import argparse
import json
import logging
import os
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from bench.chaos.disturbances import Disturber, plan
from bench.chaos.processes import BEAT, Broker, celery, workers
from bench.chaos.receiver import Receiver
from bench.database import throwaway
from core.tests.servers import LocalServer

LEASE = 3
GAP = (1.0, 4.0)
"""Seconds between two disturbances."""
IN_FLIGHT = 40
"""Runs that are started ahead of the disturbances at most."""
SETTLE = 120.0
"""Seconds that the last runs get to end in once everything is left in peace."""
HARD_END = 500.0
"""Seconds after which the whole thing gives up: it always ends by itself."""


def surroundings() -> None:
    os.environ |= {
        "OUTGOING_ALLOW": "127.0.0.0/8",
        "ENGINE_LEASE_SECONDS": str(LEASE),
        "ENGINE_GRACE_SECONDS": "1",
        "DATABASE_POOL": "4",
        "LOG_FORMAT": "console",
    }


class Chaos:
    def __init__(self, given: argparse.Namespace, receiver: Receiver, url: str) -> None:
        from bench.chaos.people import People  # noqa: PLC0415 - the settings are chosen only now

        self._runs: int = given.runs
        self._rng = Random(given.seed)
        self._plan = plan(self._rng, given.kills)
        self._begun = time.monotonic()
        self._until = self._begun + HARD_END
        self._receiver = receiver
        self.people = People(url, self._rng)
        self._next = 0

    def start_up_to(self, number: int) -> None:
        while self._next < min(number, self._runs):
            self.people.start(self._next)
            self._next += 1

    def go(self, disturber: Disturber) -> None:
        """Runs are started as the disturbances go on, so that each meets runs at work."""
        each = self._runs / max(len(self._plan), 1)
        for turn, cause in enumerate(self._plan):
            if time.monotonic() > self._until:
                return
            self.start_up_to(round(each * (turn + 1)))
            time.sleep(self._rng.uniform(*GAP))
            print(f"{time.monotonic() - self._begun:6.1f} s  {cause}", flush=True)
            disturber.disturb(cause)
        self.start_up_to(self._runs)

    def settle(self) -> None:
        from bench.chaos.people import persistently  # noqa: PLC0415 - as above
        from workflows.models import Run  # noqa: PLC0415

        until = min(time.monotonic() + SETTLE, self._until)
        while time.monotonic() < until:
            if not persistently(Run.objects.unfinished().exists):
                return
            time.sleep(0.2)


def report(
    given: argparse.Namespace, chaos: Chaos, disturber: Disturber, receiver: Receiver
) -> Any:
    from bench.chaos.verdict import judge, show  # noqa: PLC0415 - as above

    verdict = judge(chaos.people, receiver)
    show(verdict, chaos.people)
    found: Counter[str] = verdict.counts
    return verdict.good, {
        "runs": len(chaos.people.started),
        "kills": disturber.kills.total(),
        "lost": found["lost"] + found["undecided"],
        "doubled": found["doubled"],
        "gaps": found["gaps"] + found["miscounted"],
        "leases_leaked": found["leases_leaked"],
        "undecided": found["undecided"],
        "left": found["left"],
        "effects": len(receiver.effects),
        "repeated_deliveries": receiver.repeated,
        "runs_in_hand_when_killed": disturber.in_hand,
        "by_cause": dict(sorted(disturber.kills.items())),
        "seed": given.seed,
    }


@contextmanager
def processes(given: argparse.Namespace, broker: Broker, log: Any) -> Iterator[Disturber]:
    found = workers(given.workers, log)
    beat = celery(log, *BEAT)
    disturber = Disturber(Random(given.seed + 1), found, beat, broker, LEASE)
    try:
        yield disturber
    finally:
        for process in (*found, beat):
            process.popen.terminate()  # all at once: each takes its time
        for process in (*found, beat):
            process.end()
        disturber.close()


def run(given: argparse.Namespace, log: Any) -> bool:
    begun, receiver = time.monotonic(), Receiver()
    surroundings()
    with ExitStack() as stack:
        broker = Broker(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/13"), log)
        stack.callback(broker.end)
        stack.enter_context(throwaway(f"loom_chaos_{os.getpid()}", broker.url))
        server = stack.enter_context(LocalServer(receiver))
        chaos = Chaos(given, receiver, server.url)
        stack.callback(chaos.people.close)
        with processes(given, broker, log) as disturber:
            chaos.go(disturber)
            chaos.settle()
        chaos.people.close()
        good, figures = report(given, chaos, disturber, receiver)
    print(json.dumps(figures | {"seconds": round(time.monotonic() - begun)}))
    return bool(good and figures["runs"] == given.runs and figures["kills"] == given.kills)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--log", type=Path, help="where to keep what the processes say")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whoever ends it has it clean up
    print(f"seed {given.seed}", flush=True)
    logging.disable()  # that connections break is what happens here; the processes have their log
    with given.log.open("w") if given.log else tempfile.TemporaryFile("w") as log:
        sys.exit(not run(given, log))


if __name__ == "__main__":
    main()
