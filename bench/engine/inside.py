"""Steps per second of the durable engine, beside the same runs without a database.

W1   one run of 40 steps in a row (`pure`: no side effects, they ride together; `effect`: each is
     durable before the next starts)
W2   200 runs of 10 steps in a row, all queued at once
W3   one run that fans out to 100 steps and joins

`store` goes the product's whole way: rows in PostgreSQL, claim, worker, group commit, live hints.
`memory` is the same interpreter with a journal that only counts: the ceiling. Every step puts out
the same 190 bytes of JSON. Times run from before the rows are inserted until the last run's end
has been announced.

    .venv/bin/python -m bench.engine.inside W2 --rounds 5
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bench.database import throwaway

Row = dict[str, Any]


async def measure(name: str, way: str, bench: Any) -> Row:
    runs, _, steps = bench.workloads[name]
    work = bench.through_store if way == "store" else bench.in_memory
    cpu, busy, started = time.process_time(), _machine_busy(), time.perf_counter()
    await work(name)
    wall = time.perf_counter() - started
    own, total = time.process_time() - cpu, runs * (steps + 2)
    return {
        "workload": name,
        "way": way,
        "ms": wall * 1000,
        "steps_s": total / wall,
        "app_us": own / total * 1e6,
        "busy": min((_machine_busy() - busy) / wall / (os.cpu_count() or 1), 1.0),
    }


def _machine_busy() -> float:
    """Seconds of work of all processes of the machine so far; 0 where that cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/stat", encoding="ascii") as stat:
            fields = [int(field) for field in stat.readline().split()[1:9]]
        return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
    return 0.0


async def rounds(bench: Any, names: list[str], count: int) -> list[Row]:
    """Interleaved, so that a busy moment of the machine does not hit one workload alone."""
    for name in names:
        await bench.through_store(name)  # compiles the definition, prepares the statements
    return [
        await measure(name, way, bench)
        for _ in range(count)
        for name in names
        for way in ("store", "memory")
    ]


def medians(rows: list[Row]) -> Iterator[Row]:
    for key in dict.fromkeys((row["workload"], row["way"]) for row in rows):
        same = [row for row in rows if (row["workload"], row["way"]) == key]
        middle = {
            name: statistics.median(row[name] for row in same)
            for name in ("ms", "steps_s", "app_us", "busy")
        }
        yield {
            "workload": key[0],
            "way": key[1],
            "ms": round(middle["ms"], 1),
            "ms_best": round(min(row["ms"] for row in same), 1),
            "steps_s": round(middle["steps_s"]),
            "app_us": round(middle["app_us"]),
            "busy": round(middle["busy"], 2),
        }


def report(rows: list[Row], server: dict[str, str], runs: int, count: int) -> None:
    head = ("workload", "way", "ms", "ms_best", "steps_s", "app_us", "busy")
    print("".join(f"{name:>11}" for name in head))
    for row in rows:
        print("".join(f"{row[name]:>11}" for name in head))
    print(f"{runs} runs verified: every step once, no gap in any history")
    summary = {
        "bench": "engine",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "postgresql": server,
        "rounds": count,
        "rows": rows,
    }
    print(json.dumps(summary))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="W1|W2|W3", help="default: all")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    wanted = tuple(given.names) or ("W",)
    with throwaway(f"loom_bench_{os.getpid()}") as server:
        from bench.engine.inside_runs import Bench  # noqa: PLC0415 - the settings are chosen only now

        bench = Bench()
        names = [name for name in bench.workloads if name.startswith(wanted)]
        bench.worker.start()
        try:
            rows = asyncio.run(rounds(bench, names, given.rounds))
        finally:
            bench.worker.stop(1)
        report(list(medians(rows)), server, bench.verify(), given.rounds)


if __name__ == "__main__":
    main()
