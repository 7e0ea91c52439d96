"""Counts of what was done: per day, event, category, actor and outcome. Days are UTC.

Read from `DailyCount`, which sealing keeps: a report costs the same whether a day had ten entries
or a million, and is as late as sealing is (about a minute).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Sum

from audit.events import category_label, label_of
from audit.models import DailyCount, Entry
from audit.queries import Filters, days_of

MOST_DAYS = 366
TOP = 20
SERIES = 6
"""Categories with a colour of their own in the chart; the rest are drawn together."""


@dataclass(slots=True)
class Statistics:
    """`by_actor`: (kind, id) -> count, the busiest first; ids only, names are for upper rooms."""

    first: date
    last: date
    total: int = 0
    by_day: Counter[date] = field(default_factory=Counter)
    by_category: Counter[str] = field(default_factory=Counter)
    by_event: Counter[str] = field(default_factory=Counter)
    by_outcome: Counter[str] = field(default_factory=Counter)
    by_actor: Counter[tuple[str, UUID | None]] = field(default_factory=Counter)
    category_days: Counter[tuple[str, date]] = field(default_factory=Counter)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def as_json(self) -> dict[str, Any]:
        return {
            "first_day": self.first,
            "last_day": self.last,
            "total": self.total,
            "by_day": [{"day": day, "count": self.by_day[day]} for day in self.days],
            "by_event": [
                {"event": name, "label": str(label_of(name)), "count": count}
                for name, count in self.by_event.most_common(TOP)
            ],
            "by_category": [
                {"category": name, "label": str(category_label(name)), "count": count}
                for name, count in self.by_category.most_common()
            ],
            "by_outcome": [
                {"outcome": name, "count": self.by_outcome[name]} for name in Entry.Outcome.values
            ],
            "by_actor": [
                {"actor_kind": kind, "actor_id": actor_id, "count": count}
                for (kind, actor_id), count in self.by_actor.most_common(TOP)
            ],
        }


def read_statistics(organization_id: UUID, filters: Filters) -> Statistics:
    """Two queries. Of the filters, times (whole days), event, category, outcome and actor count."""
    first, last = days_of(filters, MOST_DAYS)
    found = Statistics(first, last)
    rows = DailyCount.objects.of(organization_id).filter(day__gte=first, day__lte=last)
    for name in ("category", "outcome", "actor_kind", "actor_id"):
        if value := getattr(filters, name):
            rows = rows.filter(**{name: value})
    if filters.event:
        how = "startswith" if filters.event.endswith((".", "*")) else "exact"
        rows = rows.filter(**{f"action__{how}": filters.event.rstrip("*")})
    for row in rows.values("day", "category", "action", "outcome").annotate(n=Sum("count")):
        count = row["n"]
        found.total += count
        found.by_day[row["day"]] += count
        found.by_category[row["category"]] += count
        found.by_event[row["action"]] += count
        found.by_outcome[row["outcome"]] += count
        found.category_days[row["category"], row["day"]] += count
    actors = rows.values("actor_kind", "actor_id").annotate(n=Sum("count")).order_by("-n")
    for row in actors[:TOP]:
        found.by_actor[row["actor_kind"], row["actor_id"]] += row["n"]
    return found


def chart_of(found: Statistics, rest: str) -> dict[str, Any]:
    """Bars for Chart.js: entries a day, by category."""
    ranked = [name for name, _ in found.by_category.most_common()]
    shown, others = ranked[:SERIES], ranked[SERIES:]
    sets = [
        (str(category_label(name)), [found.category_days[name, day] for day in found.days])
        for name in shown
    ]
    if others:
        sets.append(
            (rest, [sum(found.category_days[n, day] for n in others) for day in found.days])
        )
    return {
        "labels": [day.isoformat() for day in found.days],
        "datasets": [{"label": label, "data": values} for label, values in sets],
    }
