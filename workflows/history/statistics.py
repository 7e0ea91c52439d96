"""Reading the statistics: of an organization or one workflow, as the reader may see them.

What it costs hangs on how many workflows and nodes were at work in the time, never on how many
runs: four queries, over one row for each of them and hour or day.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from orgs.access import Actor
from workflows.history.sums import Sums
from workflows.models import RollupHour, Workflow

TOP = 50
"""Workflows, nodes and codes of errors that a list names, the busiest first."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FIELDS = (
    "workflow_id", "node_id", "kind", "hour", "total", "duration_ms", "retries", "tokens", "cost",
    "outcomes", "durations", "errors",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Period:
    """The last `steps` hours or days, the one that is under way among them. Days are UTC."""

    name: str
    label: Any
    step: timedelta
    steps: int

    def points(self, at: datetime) -> list[datetime]:
        last = at.replace(minute=0, second=0, microsecond=0)
        last = last.replace(hour=0) if self.step == DAY else last
        return [last - self.step * back for back in reversed(range(self.steps))]

    def point_of(self, hour: datetime) -> datetime:
        return hour.replace(hour=0) if self.step == DAY else hour


PERIODS = {
    period.name: period
    for period in (
        Period("24h", _("24 hours"), HOUR, 24),
        Period("7d", _("7 days"), DAY, 7),
        Period("30d", _("30 days"), DAY, 30),
        Period("90d", _("90 days"), DAY, 90),
    )
}
USUAL = "7d"


@dataclass(slots=True)
class Statistics:
    """`nodes` only of one workflow: (node, kind) -> sums."""

    period: Period
    points: list[datetime]
    workflow: Workflow | None = None
    whole: Sums = field(default_factory=Sums)
    by_point: defaultdict[datetime, Sums] = field(default_factory=lambda: defaultdict(Sums))
    by_workflow: defaultdict[UUID, Sums] = field(default_factory=lambda: defaultdict(Sums))
    by_node: defaultdict[tuple[str, str], Sums] = field(default_factory=lambda: defaultdict(Sums))
    names: dict[UUID, str] = field(default_factory=dict)

    def busiest(self) -> list[tuple[UUID, str, Sums]]:
        rows = sorted(self.by_workflow.items(), key=lambda row: (-row[1].total, str(row[0])))
        return [(pk, self.names.get(pk, ""), sums) for pk, sums in rows[:TOP]]

    def nodes(self) -> list[tuple[str, str, Sums]]:
        rows = sorted(self.by_node.items(), key=lambda row: (-row[1].duration_ms, row[0]))
        return [(node, kind, sums) for (node, kind), sums in rows[:TOP]]

    def as_json(self) -> dict[str, Any]:
        return {
            "period": self.period.name,
            "since": self.points[0],
            "workflow": self.workflow and self.workflow.pk,
            "whole": sums_json(self.whole),
            "trend": [{"at": at, **_brief(self.by_point[at])} for at in self.points],
            "workflows": [
                {"workflow": pk, "name": name, **sums_json(sums)}
                for pk, name, sums in self.busiest()
            ],
            "nodes": [
                {"node_id": node, "kind": kind, **sums_json(sums)}
                for node, kind, sums in self.nodes()
            ],
            "errors": errors_json(self.whole),
        }


def _brief(sums: Sums) -> dict[str, Any]:
    return {
        "total": sums.total,
        "succeeded": sums.succeeded,
        "failed": sums.failed,
        "cost": sums.cost,
        "p50_ms": sums.percentile(0.5),
        "p95_ms": sums.percentile(0.95),
    }


def sums_json(sums: Sums) -> dict[str, Any]:
    return {
        **_brief(sums),
        "success_rate": None if sums.success_rate is None else round(sums.success_rate, 4),
        "outcomes": dict(sums.outcomes),
        "retries": sums.retries,
        "tokens": sums.tokens,
    }


def errors_json(sums: Sums) -> list[dict[str, Any]]:
    return [{"code": code, "count": count} for code, count in sums.errors.most_common(TOP)]


def read_statistics(
    actor: Actor, period: Period, workflow: Workflow | None = None, at: datetime | None = None
) -> Statistics:
    """What the actor may see of the time, whole or of one workflow (which they may see)."""
    found = Statistics(period, period.points(at or now()), workflow)
    rows = RollupHour.objects.visible_to(actor).filter(hour__gte=found.points[0])
    if workflow is not None:
        rows = rows.filter(workflow=workflow)
        for row in rows.exclude(node_id="").only(*FIELDS).iterator():
            found.by_node[row.node_id, row.kind].add(row)
    for row in rows.filter(node_id="").only(*FIELDS).iterator():
        found.by_point[period.point_of(row.hour)].add(row)
        found.by_workflow[row.workflow_id].add(row)
    for sums in found.by_workflow.values():
        found.whole.add(sums)
    busiest = [pk for pk, _name, _sums in found.busiest()]
    names = Workflow.objects.filter(pk__in=busiest).values_list("pk", "name")
    found.names = dict(names)
    return found


def chart_of(found: Statistics) -> dict[str, Any]:
    """Bars for Chart.js: ends by outcome."""
    hourly = found.period.step == HOUR
    points = [found.by_point[at] for at in found.points]
    others = [sums.total - sums.succeeded - sums.failed for sums in points]
    return {
        "labels": [f"{at:%H:%M}" if hourly else at.date().isoformat() for at in found.points],
        "datasets": [
            {"label": str(_("Succeeded")), "data": [s.succeeded for s in points], "tone": "ok"},
            {"label": str(_("Failed")), "data": [s.failed for s in points], "tone": "bad"},
            *(
                [{"label": str(_("Cancelled")), "data": others, "tone": "mute"}]
                if any(others)
                else []
            ),
        ],
    }


def speed_chart_of(found: Statistics) -> dict[str, Any]:
    """Lines for Chart.js: seconds that half of the runs and 95 of 100 did not exceed."""
    hourly = found.period.step == HOUR
    points = [found.by_point[at] for at in found.points]
    lines = (("P50", 0.5), ("P95", 0.95))
    return {
        "labels": [f"{at:%H:%M}" if hourly else at.date().isoformat() for at in found.points],
        "datasets": [
            {
                "label": f"{label} (s)",
                "data": [
                    None if (ms := s.percentile(share)) is None else ms / 1000 for s in points
                ],
            }
            for label, share in lines
        ],
    }
