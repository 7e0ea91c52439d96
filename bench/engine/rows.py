"""The rounds of one measurement and their medians."""

import statistics
import sys
from collections.abc import Iterator
from typing import Any

from bench.engine.machine import Taken

Row = dict[str, Any]
FOREIGN = 0.35
"""A round in which others took more of the machine is left out, where enough are left."""
ENOUGH = 3
COLUMNS = ("engine", "workload", "ms", "steps_s", "app_us", "database_us", "foreign", "of")


class Rows:
    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, engine: str, workload: str, taken: Taken, steps: int, **extra: float) -> None:
        self.put(
            engine, workload, ms=taken.wall * 1000, steps_s=steps / taken.wall,
            app_us=taken.app / steps * 1e6, database_us=taken.database / steps * 1e6,
            foreign=taken.foreign, **extra,
        )  # fmt: skip

    def put(self, engine: str, workload: str, **values: float) -> None:
        self.rows.append({"engine": engine, "workload": workload, **values})
        told = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        print(f"{engine:>9} {workload:<15} {told}", file=sys.stderr)

    def calm(self, engine: str, workload: str) -> list[Row]:
        """The rounds that count."""
        same = [r for r in self.rows if (r["engine"], r["workload"]) == (engine, workload)]
        calm = [row for row in same if row["foreign"] <= FOREIGN]
        return calm if len(calm) >= ENOUGH else same

    def median(self, engine: str, workload: str, name: str) -> float | None:
        found = [row[name] for row in self.calm(engine, workload) if name in row]
        return statistics.median(found) if found else None

    def best(self, engine: str, workload: str, name: str, suffix: str = "") -> float | None:
        """Of the ways an engine has for a workload, the one with the highest median."""
        ways = {row["workload"] for row in self.rows if row["engine"] == engine}
        fit = {f"{workload}{suffix}", f"{workload} async{suffix}"} & ways
        medians = [found for way in fit if (found := self.median(engine, way, name))]
        return max(medians, default=None)

    def table(self) -> list[Row]:
        return list(self._medians())

    def _medians(self) -> Iterator[Row]:
        for engine, workload in dict.fromkeys((r["engine"], r["workload"]) for r in self.rows):
            calm = self.calm(engine, workload)
            row: Row = {"engine": engine, "workload": workload, "of": len(calm)}
            for name in ("ms", "steps_s", "app_us", "database_us", "foreign", "batch"):
                found = self.median(engine, workload, name)
                if found is not None:
                    row[name] = round(found, 2 if name == "foreign" or found < 100 else 0)
            yield row

    def show(self) -> None:
        print("".join(f"{name:>14}" for name in COLUMNS))
        for row in self._medians():
            print("".join(f"{row.get(name, ''):>14}" for name in COLUMNS))
