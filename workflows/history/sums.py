"""Sums of ends: how they grow by a run or a step, and how two of them are added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.history.buckets import bucket_of, percentile
from workflows.models import RollupHour, Run

MOST_CODES = 50
"""Codes of errors that one sum names; further ones are counted together under `OTHERS`."""
OTHERS = "…"
GOOD = (Run.State.SUCCEEDED.value, Run.State.PARTIAL.value, "exception")
BAD = (Run.State.FAILED.value, Run.State.TIMED_OUT.value)
"""Ends that say something about quality; who cancels a run says nothing of it."""


@dataclass(slots=True)
class Sums:
    """All that is counted of ends. `errors` are by code, `durations` by bucket."""

    total: int = 0
    duration_ms: int = 0
    retries: int = 0
    tokens: int = 0
    cost: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    durations: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def end(self, outcome: str, milliseconds: float | None, error: str = "") -> None:
        self.total += 1
        self.outcomes[outcome] += 1
        if milliseconds is not None:
            self.durations[bucket_of(milliseconds)] += 1
            self.duration_ms += max(0, round(milliseconds))
        if error:
            self.count_error(error, 1)

    def count_error(self, code: str, count: int) -> None:
        known = code in self.errors or len(self.errors) < MOST_CODES
        self.errors[code if known else OTHERS] += count

    def use(self, retries: int, tokens: int, cost: int) -> None:
        self.retries += retries
        self.tokens += tokens
        self.cost += cost

    def add(self, other: RollupHour | Sums) -> None:
        self.total += other.total
        self.duration_ms += other.duration_ms
        self.use(other.retries, other.tokens, other.cost)
        _add(self.outcomes, other.outcomes)
        _add(self.durations, other.durations)
        for code, count in other.errors.items():
            self.count_error(code, count)

    def onto(self, row: RollupHour) -> None:
        """Add this to a row, which the caller holds and saves."""
        whole = Sums()
        whole.add(row)
        whole.add(self)
        for name in ROW_FIELDS:
            value = getattr(whole, name)
            setattr(row, name, dict(value) if isinstance(value, Counter) else value)

    @property
    def succeeded(self) -> int:
        return sum(self.outcomes[name] for name in GOOD)

    @property
    def failed(self) -> int:
        return sum(self.outcomes[name] for name in BAD)

    @property
    def success_rate(self) -> float | None:
        """Of those that came to an end of their own, from 0 to 1."""
        judged = self.succeeded + self.failed
        return self.succeeded / judged if judged else None

    def percentile(self, share: float) -> int | None:
        return percentile(self.durations, share)


ROW_FIELDS = (
    "total", "succeeded", "failed", "duration_ms", "retries", "tokens", "cost", "outcomes",
    "durations", "errors",
)  # fmt: skip


def _add(mine: Counter[str], other: Mapping[str, Any]) -> None:
    for name, count in other.items():
        mine[name] += count
