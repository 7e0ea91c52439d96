"""`/metrics` in the text format of Prometheus: the engines' counters and the state of the queue.

There is no such door until `METRICS_TOKEN` is set; whoever asks brings it as a bearer token.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.timezone import now
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from billing.models import Hold
from workflows.models import Run, RunWait, WorkerProcess
from workflows.runtime.metrics import place_of

COUNTERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "commits": ("loomwork_commits", "Statements that made progress durable", ()),
    "fenced": ("loomwork_commits_fenced", "Changes refused because the run has another owner", ()),
    "waits": ("loomwork_waits", "Waits that runs went to rest with", ()),
    "ended": ("loomwork_runs_ended", "Runs that engines brought to an end", ("state",)),
    "steps": ("loomwork_steps", "Steps that became durable", ("kind", "status")),
    "retries": ("loomwork_retries", "Attempts after the first", ("kind",)),
}


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    token = settings.METRICS_TOKEN
    if not token:
        raise Http404
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry()
    registry.register(Engines())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Engines(Collector):
    """Reads when it is asked: the database for what is, the cache for what engines counted."""

    def collect(self) -> Iterator[Metric]:
        yield from _states()
        yield from _counted()

    def describe(self) -> Iterator[Metric]:
        return iter(())


def _states() -> Iterator[Metric]:
    live = Run.objects.filter(ended_at__isnull=True).order_by()
    by_state = dict(live.values_list("state").annotate(n=Count("pk")))
    runs = GaugeMetricFamily("loomwork_runs", "Runs that are not over", labels=["state"])
    for state in Run.LIVE:
        runs.add_metric([str(state)], by_state.get(state, 0))
    yield runs
    queued = Run.objects.filter(state=Run.State.QUEUED, started_at=None).order_by("pk")
    oldest = queued.values_list("created_at", flat=True).first()
    age = (now() - oldest).total_seconds() if oldest else 0.0
    yield GaugeMetricFamily(
        "loomwork_queue_oldest_seconds", "Age of the oldest run that waits to begin", max(0.0, age)
    )
    due = RunWait.objects.filter(wake_at__lt=now()).count()
    yield GaugeMetricFamily("loomwork_waits_overdue", "Waits whose time has come", due)
    crashed = Run.objects.filter(ended_at__isnull=True, crashes__gt=0).count()
    yield GaugeMetricFamily("loomwork_runs_crashed", "Live runs whose worker died", crashed)
    overdue = Hold.objects.filter(state=Hold.State.OPEN, expires_at__lt=now()).count()
    yield GaugeMetricFamily("loomwork_holds_overdue", "Holds that nobody settled in time", overdue)


def _counted() -> Iterator[Metric]:
    alive = WorkerProcess.objects.filter(alive_until__gt=now()).values_list("host", "pid")
    workers = list(alive)
    yield GaugeMetricFamily("loomwork_workers", "Processes that advance runs", len(set(workers)))
    places = {place_of(host, pid): f"{host}:{pid}" for host, pid in workers}
    found = {places[place]: said for place, said in cache.get_many(list(places)).items()}
    counters = {
        key: CounterMetricFamily(name, text, labels=["worker", *labels])
        for key, (name, text, labels) in COUNTERS.items()
    }
    for worker, said in found.items():
        for (key, *labels), count in said["counts"]:
            counters[key].add_metric([worker, *labels], count)
    yield from counters.values()
    yield from _histograms(found)


def _histograms(found: dict[str, Any]) -> Iterator[Metric]:
    for key, text in (
        ("commit_seconds", "How long a commit took"),
        ("commit_size", "Changes of one commit"),
    ):
        family = HistogramMetricFamily(f"loomwork_{key}", text, labels=["worker"])
        for worker, said in found.items():
            family.add_metric([worker], *_buckets(said[key]))
        yield family
    steps = HistogramMetricFamily(
        "loomwork_step_seconds", "How long a step took", labels=["worker", "kind"]
    )
    for worker, said in found.items():
        for kind, histogram in said["step_seconds"].items():
            steps.add_metric([worker, kind], *_buckets(histogram))
    yield steps


def _buckets(histogram: dict[str, Any]) -> tuple[list[tuple[str, float]], float]:
    """Cumulated, as the format wants them."""
    total = 0
    rows: list[tuple[str, float]] = []
    for bound, count in zip([*histogram["bounds"], "+Inf"], histogram["counts"], strict=True):
        total += count
        rows.append((str(bound), total))
    return rows, histogram["sum"]
