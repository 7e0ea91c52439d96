"""What the pages show of money and usage. Days are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Sum
from django.db.models.functions import TruncDate
from django.utils.timezone import now

from billing.models import NANOS, UsageRecord

DAYS = 14
SERIES = 5
"""Models with a colour of their own in a chart; the rest are drawn together."""


@dataclass(slots=True)
class ModelSpend:
    """One model's share of a period."""

    model: str
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0
    by_day: dict[date, int] = field(default_factory=dict)
    percent: float = 0.0


@dataclass(frozen=True, slots=True)
class Spend:
    """What was spent over the last days, dearest model first."""

    days: list[date]
    models: list[ModelSpend]

    @property
    def cost(self) -> int:
        return sum(row.cost for row in self.models)

    @property
    def calls(self) -> int:
        return sum(row.calls for row in self.models)

    @property
    def tokens(self) -> int:
        return sum(row.prompt_tokens + row.completion_tokens for row in self.models)


def read_spend(organization_id: UUID | None, days: int = DAYS) -> Spend:
    """One query. `organization_id` None: every organization (the operators' console)."""
    today = now().date()
    span = [today - timedelta(days=back) for back in reversed(range(days))]
    rows = UsageRecord.objects.since(datetime.combine(span[0], time.min, UTC))
    if organization_id is not None:
        rows = rows.of(organization_id)
    grouped = (
        rows.order_by()
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values("day", "model")
        .annotate(
            calls=Count("pk"),
            prompt=Sum("prompt_tokens"),
            completion=Sum("completion_tokens"),
            spent=Sum("cost"),
        )
    )
    models: dict[str, ModelSpend] = {}
    for row in grouped:
        _add(models.setdefault(row["model"], ModelSpend(row["model"])), row)
    ranked = sorted(models.values(), key=lambda one: (-one.cost, one.model))
    total = sum(one.cost for one in ranked)
    for one in ranked:
        one.percent = 100 * one.cost / total if total else 0.0
    return Spend(span, ranked)


def _add(spend: ModelSpend, row: Mapping[str, Any]) -> None:
    spend.calls += row["calls"]
    spend.prompt_tokens += row["prompt"]
    spend.completion_tokens += row["completion"]
    spend.cost += row["spent"]
    spend.by_day[row["day"]] = row["spent"]


def spend_chart(spend: Spend, rest: str) -> dict[str, Any]:
    """Bars for Chart.js, in dollars; models beyond the first few are added up as `rest`."""
    shown, others = spend.models[:SERIES], spend.models[SERIES:]
    sets = [(one.model, [one.by_day.get(day, 0) for day in spend.days]) for one in shown]
    if others:
        sets.append((rest, [sum(one.by_day.get(day, 0) for one in others) for day in spend.days]))
    return {
        "labels": [day.isoformat() for day in spend.days],
        "datasets": [
            {"label": label, "data": [nanos / NANOS for nanos in values]} for label, values in sets
        ],
    }
