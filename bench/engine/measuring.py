"""One measurement from end to end: which parts there are, in which order, and what they say.

Import it once the settings are chosen.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.conf import settings

from bench.engine import latency, limit
from bench.engine.growth import fill
from bench.engine.machine import Taken, metered
from bench.engine.ours import Ours, another_database, forget_connections
from bench.engine.rivals import Rival, interpreter
from bench.engine.rows import Rows
from bench.engine.servers import Cluster, Missing, slow_disk

SIZES = {"W1": (1, 40), "W2": (200, 10), "W3": (1, 100)}
"""Runs, steps a run."""
REPEATS = {"W1": 4, "W2": 1, "W3": 3}
"""How often a round has what is over at once: a machine has busy moments."""
SCALED = {("celery", "W2"): 20, ("prefect", "W2"): 10}
"""Runs of those that would take too long; the rate is what counts there."""
SLOW_ROUNDS, SLOW_RESERVE = 3, 300.0
"""Prefect and Celery take part in so many rounds, and in none when less than so many seconds are
left: what has targets goes first."""
GRAIN = 400
"""Runs of 10 steps that the CPU of a step is measured by."""


class Measuring:
    def __init__(
        self, cluster: Cluster, broker: str, broker_pid: int, folder: Path, until: float
    ) -> None:
        self.cluster, self.broker, self.broker_pid = cluster, broker, broker_pid
        self.folder, self.until = folder, until
        self.rows, self.held = Rows(), ExitStack()
        self.ours = Ours(broker, 1).prepare()
        self.rivals: dict[str, Rival] = {}
        self.figures: dict[str, Any] = {}
        self.whole, self.grains, self.least = True, GRAIN, 3

    def close(self) -> None:
        self.held.close()
        forget_connections()

    def everything(self, given: argparse.Namespace) -> dict[str, Any]:
        """All figures by name; one that could not be measured is None, with the reason printed."""
        if given.small:
            self.whole, self.grains, self.least = False, 20, 1
        for name in ("small", "grown"):
            forget_connections()
            self.cluster.run(f"CREATE DATABASE bench_{name} TEMPLATE bench_ours")
        self.part("peers", lambda: None if given.small else self.start_rivals())
        self.held.callback(self.ours.stop_worker)
        self.part("rounds", lambda: self.rounds(given.rounds))
        self.part("step", lambda: self.step_cpu(given.rounds))
        self.part("start", lambda: self.starts(given.rounds))
        self.part("live", self.live)
        self.ours.stop_worker()
        self.part("W4", lambda: self.model_calls(given.runs))
        self.part("whole", self.verify)
        self.part(
            "growth", lambda: self.growth(given.grown, given.rounds), seconds=given.grown / 6e3
        )
        self.part("slow disk", lambda: self.slow_disk(given.rounds), seconds=40)
        self.rows.show()
        return self.summary()

    def part(self, name: str, work: Callable[[], None], seconds: float = 5) -> None:
        started = time.monotonic()
        if started + seconds > self.until:
            print(f"{name}: left out, there is no time for it", file=sys.stderr)
            return
        try:
            work()
        except (Missing, SystemExit) as error:  # the others are measured all the same
            print(f"{name} could not be measured: {error}", file=sys.stderr)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)

    # -- the parts

    def start_rivals(self) -> None:
        began = time.monotonic()
        python = interpreter(Path(settings.BASE_DIR) / "data" / "cache")
        self.until += time.monotonic() - began
        for name in ("dbos", "prefect", "celery"):
            rival = Rival(name, python, self.cluster, self.folder, f"{self.broker}/9")
            try:
                self.rivals[name] = self.held.enter_context(rival)
            except Missing as error:
                print(f"{name} is left out: {error}", file=sys.stderr)

    def rounds(self, count: int) -> None:
        self.ours.start_worker()
        for workload in SIZES:
            self.ours.go(workload, SIZES[workload][0])
        for turn in range(count):
            every = turn < SLOW_ROUNDS and self.until - time.monotonic() > SLOW_RESERVE
            for workload in SIZES:
                for again in range(REPEATS[workload] if self.whole else 1):
                    self.our_turn(workload, workload, self.ours.go)
                    self.their_turns(workload, every=every and not again)
            if every and self.whole:
                self.our_turn("W2 singly", "W2", self.ours.start)

    def our_turn(self, name: str, workload: str, go: Callable[[str, int], None]) -> Taken:
        runs, steps = SIZES[workload]
        time.sleep(0.2)
        with metered([self.ours.worker_pid], self.cluster.pid, [*self.others()]) as taken:
            go(workload, runs)
        self.rows.add("ours", name, taken, runs * steps)
        return taken

    def their_turns(self, workload: str, *, every: bool) -> None:
        for name, rival in self.rivals.items():
            if not every and name != "dbos":
                continue
            for way in rival.ways:
                if not way.startswith(workload) or (way != workload and not every):
                    continue
                with metered([rival.process.pid], self.cluster.pid, [*self.others()]) as taken:
                    wall = rival.ask(way)
                runs, steps = SIZES[workload]
                taken.wall = wall
                self.rows.add(name, way, taken, SCALED.get((name, way), runs) * steps)

    def others(self) -> list[int]:
        return [self.broker_pid, os.getpid()]

    def step_cpu(self, count: int) -> None:
        """PostgreSQL's CPU of a step, from the first claim on, and of the limit, in turn."""
        for _ in range(max(self.least, count)):
            before = self.commits()
            taken = self.grain(self.ours)
            time.sleep(1.2)  # PostgreSQL tells its counts once a second
            batch = max(1, round(self.grains * 10 / max(1, self.commits() - before)))
            self.rows.add("ours", "step", taken, self.grains * 10, batch=batch)
            found = limit.measure(self.cluster, batch, 20_000)
            self.rows.put("limit", "step", database_us=found.database_us, steps_s=found.rate,
                          foreign=found.foreign, batch=batch)  # fmt: skip

    def grain(self, ours: Ours) -> Taken:
        """Many runs of 10 steps; the meter starts when they have been inserted."""
        meter = metered([ours.worker_pid], self.cluster.pid, self.others())
        taken: list[Taken] = []
        ours.go("W2", self.grains, queued=lambda: taken.append(meter.__enter__()))
        meter.__exit__(None, None, None)
        return taken[0]

    def commits(self) -> int:
        asked = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'bench_ours'"
        count: int = self.cluster.run(asked)[0][0]
        return count

    def starts(self, count: int) -> None:
        found = latency.starts(self.ours, count * 15 if self.whole else 3)
        self.figures["start_p95_ms"] = round(latency.p95(found), 1)

    def live(self) -> None:
        found = latency.live(self.ours, 20 if self.whole else 3)
        self.figures["live_p95_ms"] = round(latency.p95(found), 1)

    def model_calls(self, runs: int) -> None:
        found = latency.model_calls(self.ours, runs, slots=512)
        self.figures |= {f"w4_{name}": value for name, value in found.items()}

    def verify(self) -> None:
        print(f"{self.ours.verify()} runs verified: every step once, no gap in any history")

    def growth(self, grown: int, count: int) -> None:
        sides: dict[str, Ours] = {}
        for number, (name, runs) in enumerate((("small", 1000), ("grown", grown)), start=2):
            another_database(name, f"bench_{name}")
            side = sides[name] = Ours(self.broker, number, name).find().start_worker()
            self.held.callback(side.stop_worker)
            fill(side, runs)
            self.grain(side)  # everything is loaded and prepared
        for _ in range(max(self.least, count)):
            for name, side in sides.items():
                self.rows.add("ours", name, self.grain(side), self.grains * 10)
        for side in sides.values():
            side.stop_worker()

    def slow_disk(self, count: int) -> None:
        library = slow_disk(self.folder)
        self.held.close()
        forget_connections()
        self.cluster.stop()
        self.cluster.start(preload=library)
        self.held.callback(self.ours.stop_worker)
        self.ours.start_worker()
        if "dbos" in self.rivals:
            self.rivals = {"dbos": self.held.enter_context(self.rivals["dbos"])}
        self.ours.go("W2", 200)
        for _ in range(max(self.least, count // 2)):
            self.our_turn("W2 slow disk", "W2", self.ours.go)
            for rival in self.rivals.values():
                with metered([rival.process.pid], self.cluster.pid, self.others()) as taken:
                    wall = rival.ask("W2")
                taken.wall = wall
                self.rows.add("dbos", "W2 slow disk", taken, 2000)

    # -- the end

    def summary(self) -> dict[str, Any]:
        value, figures = self.rows.median, self.figures
        ours = {name: value("ours", name, "ms") for name in SIZES}
        compared: dict[str, Any] = {}
        for rival in ("dbos", "prefect", "celery"):
            rate = self.rows.best(rival, "W2", "steps_s")
            compared |= {
                f"w1_latency_vs_{rival}": ratio(ours["W1"], value(rival, "W1", "ms")),
                f"w2_rate_vs_{rival}": ratio(value("ours", "W2", "steps_s"), rate),
                f"w3_time_vs_{rival}": ratio(ours["W3"], value(rival, "W3", "ms")),
            }
        slow = self.rows.best("dbos", "W2", "steps_s", suffix=" slow disk")
        costs = {side: self.cost(side) for side in ("small", "grown")}
        names = ("w4_in_flight", "w4_rss_mb", "start_p95_ms", "live_p95_ms")
        return compared | {name: figures.get(name) for name in names} | {
            "step_cpu_vs_limit": ratio(
                value("ours", "step", "database_us"), value("limit", "step", "database_us")
            ),
            "growth_1m_vs_1k": ratio(costs["grown"], costs["small"]),
            "w2_rate_vs_dbos_slow_disk": ratio(value("ours", "W2 slow disk", "steps_s"), slow),
            "w2_rate_singly_vs_dbos": ratio(
                value("ours", "W2 singly", "steps_s"), self.rows.best("dbos", "W2", "steps_s")
            ),
            "w4_s": figures.get("w4_seconds") and round(figures["w4_seconds"], 1),
            "rows": self.rows.table(),
        }  # fmt: skip

    def cost(self, name: str) -> float | None:
        """CPU of a step, the database's and the worker's."""
        parts = [self.rows.median("ours", name, part) for part in ("app_us", "database_us")]
        return sum(part for part in parts if part) if all(parts) else None


def ratio(one: float | None, other: float | None) -> float | None:
    return round(one / other, 3) if one and other else None
