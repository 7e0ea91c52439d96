"""When each node of a run was at work: lanes of bars, whatever the number of steps.

Up to `MOST_BARS` of a lane are told one by one. More are drawn together where they lie close:
a lane is cut into that many slices of the run's time, and a slice tells how many steps are in it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.timezone import now

from workflows.models import Event, Run, RunWait, Step

MOST_BARS = 120
MOST_LANES = 200
MOST_STEPS = 20_000
"""Steps of one run that its timeline reads; what came later is told as a number alone."""
WORST = ("failed", "exception", "skipped", "succeeded")
"""What the bar of several steps is coloured by: the first of these that is among them."""


@dataclass(slots=True)
class Bar:
    """Milliseconds from the run's begin. `count` steps, of which `status` is the worst."""

    start: int
    end: int
    status: str
    iteration: str = ""
    attempts: int = 1
    count: int = 1


@dataclass(slots=True)
class Lane:
    node_id: str
    title: str
    kind: str
    bars: list[Bar] = field(default_factory=list)
    steps: int = 0
    busy_ms: int = 0
    retries: int = 0

    @property
    def first(self) -> int:
        return min((bar.start for bar in self.bars), default=0)

    @property
    def status(self) -> str:
        return worst(bar.status for bar in self.bars)


@dataclass(slots=True)
class Timeline:
    """`span` milliseconds from begin to end, or to now while the run lives."""

    begin: datetime
    span: int
    live: bool
    lanes: list[Lane]
    left_out: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "begin": self.begin,
            "span_ms": self.span,
            "live": self.live,
            "steps_left_out": self.left_out,
            "lanes": [
                {
                    "node_id": lane.node_id,
                    "title": lane.title,
                    "kind": lane.kind,
                    "steps": lane.steps,
                    "busy_ms": lane.busy_ms,
                    "retries": lane.retries,
                    "status": lane.status,
                    "bars": [
                        {
                            "start_ms": bar.start,
                            "end_ms": bar.end,
                            "status": bar.status,
                            "iteration": bar.iteration,
                            "attempts": bar.attempts,
                            "count": bar.count,
                        }
                        for bar in lane.bars
                    ],
                }
                for lane in self.lanes
            ],
        }


def worst(statuses: Any) -> str:
    found = set(statuses)
    for status in ("running", "waiting", *WORST):
        if status in found:
            return status
    return ""


def timeline_of(run: Run, at: datetime | None = None) -> Timeline:
    """Four queries, however many steps there are."""
    begin = run.started_at or run.created_at
    end = run.ended_at or at or now()
    nodes = {node["id"]: node for node in run.version.definition.get("nodes", [])}
    lanes: dict[str, Lane] = {}
    settled: defaultdict[str, set[str]] = defaultdict(set)

    def lane_of(node_id: str, kind: str = "") -> Lane:
        known = nodes.get(node_id, {})
        kind = kind or str(known.get("type") or "")
        return lanes.setdefault(node_id, Lane(node_id, known.get("title") or node_id, kind))

    def since(moment: datetime) -> int:
        return max(0, round((moment - begin).total_seconds() * 1000))

    for node_id, iteration, kind, status, attempts, began, ended in _steps(run):
        lane = lane_of(node_id, kind)
        bar = Bar(since(began), since(ended), status, iteration, attempts)
        lane.bars.append(bar)
        lane.steps += 1
        lane.busy_ms += bar.end - bar.start
        lane.retries += attempts - 1
        settled[node_id].add(iteration)
    if not run.finished:
        for node_id, iteration, status, began in _under_way(run):
            if iteration not in settled[node_id]:
                lane_of(node_id).bars.append(Bar(since(began), since(end), status, iteration))
    span = max([since(end), 1, *(bar.end for lane in lanes.values() for bar in lane.bars)])
    kept = sorted(lanes.values(), key=lambda lane: lane.first)[:MOST_LANES]
    for lane in kept:
        lane.bars = together(lane.bars, span)
    left_out = max(0, run.step_count - sum(lane.steps for lane in kept))
    return Timeline(begin, span, not run.finished, kept, left_out)


def _steps(run: Run) -> Any:
    names = ("node_id", "iteration", "kind", "status", "attempts", "started_at", "ended_at")
    return Step.objects.filter(run=run).order_by("pk").values_list(*names)[:MOST_STEPS].iterator()


def _under_way(run: Run) -> list[tuple[str, str, str, datetime]]:
    """(node, iteration, status, since): what waits, and what began and is not settled."""
    waits = RunWait.objects.filter(run=run).order_by("pk")[:MOST_STEPS]
    found = [(row.node_id, row.iteration, "waiting", row.created_at) for row in waits]
    waiting = {(node_id, iteration) for node_id, iteration, *_ in found}
    begun: dict[tuple[str, str], datetime] = {}
    events = Event.objects.filter(run=run, kind="node.started").order_by("-seq")[:1000]
    for event in events:
        data = event.data if isinstance(event.data, dict) else {}
        begun.setdefault((event.node_id, str(data.get("iteration") or "")), event.at)
    return found + [
        (*key, "running", moment) for key, moment in begun.items() if key not in waiting
    ]


def together(bars: list[Bar], span: int) -> list[Bar]:
    """At most `MOST_BARS`: those that begin in the same slice of the time become one."""
    if len(bars) <= MOST_BARS:
        return bars
    slices: defaultdict[int, list[Bar]] = defaultdict(list)
    for bar in bars:
        slices[min(MOST_BARS - 1, bar.start * MOST_BARS // max(1, span))].append(bar)
    return [_one(slices[number]) for number in sorted(slices)]


def _one(bars: list[Bar]) -> Bar:
    return Bar(
        start=min(bar.start for bar in bars),
        end=max(bar.end for bar in bars),
        status=worst(bar.status for bar in bars),
        iteration=bars[0].iteration if len(bars) == 1 else "",
        attempts=max(bar.attempts for bar in bars),
        count=sum(bar.count for bar in bars),
    )


# -- the picture

WIDTH, LABEL, LANE, HEAD = 1000, 190, 30, 26
TICKS = (
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000,
    300_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 86_400_000, 604_800_000,
)  # fmt: skip


def picture_of(found: Timeline) -> dict[str, Any]:
    """Coordinates of the drawing: one unit of `WIDTH` by the run's time."""
    scale = (WIDTH - LABEL - 16) / found.span
    step = next((tick for tick in TICKS if found.span / tick <= 8), found.span // 8 or 1)
    return {
        "width": WIDTH,
        "height": HEAD + LANE * len(found.lanes) + 6,
        "label": LABEL,
        "ticks": [
            {"x": round(LABEL + ms * scale, 1), "ms": ms} for ms in range(0, found.span + 1, step)
        ],
        "rows": [
            {
                "lane": lane,
                "y": HEAD + LANE * number,
                "bars": [
                    {
                        "bar": bar,
                        "x": round(LABEL + bar.start * scale, 1),
                        "text_x": round(LABEL + bar.start * scale + 5, 1),
                        "width": max(3, round((bar.end - bar.start) * scale, 1)),
                        "took": bar.end - bar.start,
                    }
                    for bar in lane.bars
                ],
            }
            for number, lane in enumerate(found.lanes)
        ],
    }
