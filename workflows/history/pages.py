"""Pages of what runs leave behind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from core.errors import InvalidInput
from core.templatetags.ui import duration, money
from core.ui import Kpi
from orgs.access import Actor
from orgs.pages import page
from workflows.actions import set_searchable
from workflows.actions.searchable import read_lines
from workflows.control_views import IN_BULK
from workflows.history.compare import compare_runs
from workflows.history.forms import asked_of
from workflows.history.logs import lines_of
from workflows.history.search import narrow_runs
from workflows.history.statistics import (
    PERIODS,
    USUAL,
    chart_of,
    read_statistics,
    speed_chart_of,
)
from workflows.history.sums import Sums
from workflows.history.timeline import picture_of, timeline_of
from workflows.models import Run, RunLog, Workflow

PAGE = 25
LINES = 200
CHOICES = 500
"""Workflows that forms offer; any other is reached from its own page."""


@require_GET
@page("org.view")
def runs(request: HttpRequest) -> HttpResponse:
    actor = _actor(request)
    form = asked_of(request.GET)
    named = Workflow.objects.visible_to(actor, "run.view").order_by("name")
    form.offer(list(named.values_list("pk", "name")[:CHOICES]))
    found: QuerySet[Run] = Run.objects.visible_to(actor)
    try:
        found = narrow_runs(found, form.wanted)
    except InvalidInput as refused:
        form.add_error("tag", refused.message)
        found = found.none()
    before = _number(request.GET, "before")
    if before:
        found = found.filter(pk__lt=before)
    slim = found.select_related("workflow").defer("inputs", "outputs", "system")
    rows = list(slim.order_by("-pk")[: PAGE + 1])
    more = rows[PAGE - 1].pk if len(rows) > PAGE else None
    context = {
        "title": _("Runs"),
        "rows": rows[:PAGE],
        "more": more,
        "form": form,
        "live": not (before or form.query),
        "commands": IN_BULK,
    }
    fragment = getattr(request, "htmx", False)
    name = "workflows/_run_rows.html" if fragment else "workflows/runs.html"
    return render(request, name, context)


@require_GET
@page("org.view")
def statistics(request: HttpRequest) -> HttpResponse:
    actor = _actor(request)
    period = PERIODS.get(request.GET.get("period", ""), PERIODS[USUAL])
    visible = Workflow.objects.visible_to(actor, "run.view")
    workflow = None
    if wanted := _given_id(request.GET, "workflow"):
        workflow = get_object_or_404(visible, pk=wanted)
    found = read_statistics(actor, period, workflow)
    report = found.as_json()
    for row in report["workflows"]:
        row["success"] = percent(row["success_rate"])
    context = {
        "title": _("Statistics"),
        "found": found,
        "report": report,
        "whole": found.whole,
        "kpis": _kpis(found.whole),
        "periods": PERIODS.values(),
        "workflows": visible.order_by("name").only("name")[:CHOICES],
        "chart": chart_of(found),
        "speed_chart": speed_chart_of(found),
    }
    return render(request, "workflows/statistics.html", context)


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%"


def _kpis(whole: Sums) -> list[Kpi]:
    failed = _("%(n)s failed") % {"n": whole.failed}
    tokens = _("%(n)s tokens") % {"n": f"{whole.tokens:,}"}
    times = " / ".join(duration(whole.percentile(share)) for share in (0.5, 0.95))
    tone = "warn" if whole.failed else "ok"
    good = percent(whole.success_rate)
    return [
        Kpi(_("Runs that ended"), "play_circle", f"{whole.total:,}", failed, tone),
        Kpi(_("Success rate"), "task_alt", good, _("of those that nobody stopped")),
        Kpi(_("P50 / P95"), "timer", times, _("with all waiting in between")),
        Kpi(_("Cost"), "payments", money(whole.cost, 4), tokens),
    ]


@require_GET
@page("org.view")
def timeline(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page; HTMX asks for the lanes alone while the run lives."""
    run = _run(_actor(request), pk)
    found = timeline_of(run)
    context = {
        "title": _("Timeline"),
        "run": run,
        "timeline": found,
        "picture": picture_of(found),
    }
    fragment = getattr(request, "htmx", False)
    name = "workflows/_timeline.html" if fragment else "workflows/timeline.html"
    return render(request, name, context)


@require_GET
@page("org.view")
def compare(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Beside the run that `?other=` names; without one, a choice of runs of the same workflow."""
    actor = _actor(request)
    left = _run(actor, pk)
    other = _given_id(request.GET, "other")
    others = Run.objects.visible_to(actor).filter(workflow=left.workflow_id).exclude(pk=left.pk)
    context: dict[str, Any] = {
        "title": _("Compare runs"),
        "run": left,
        "other": str(other or request.GET.get("other", "")),
        "others": others.order_by("-pk").defer("inputs", "outputs", "system")[:20],
    }
    if other:
        context["found"] = compare_runs(left, _run(actor, other))
    return render(request, "workflows/compare.html", context)


@require_GET
@page("org.view")
def logs(request: HttpRequest, pk: UUID) -> HttpResponse:
    run = _run(_actor(request), pk)
    level = request.GET.get("level", "")
    level = level if level in RunLog.Level.values else ""
    node = request.GET.get("node", "").replace("\x00", "")[:100]
    begin = _number(request.GET, "after") or 0
    lines, more = lines_of(run, after=begin, level=level, node=node, limit=LINES)
    query = QueryDict(mutable=True)
    query.update({"level": level, "node": node})
    context = {
        "run": run,
        "lines": lines,
        "more": lines[-1].pk if more else None,
        "level": level,
        "node": node,
        "levels": RunLog.Level.choices,
        "query": query.urlencode(),
        "first": not begin,
    }
    return render(request, "workflows/_run_logs.html", context)


@require_POST
@page("org.view")
def searchable(request: HttpRequest, pk: UUID) -> HttpResponse:
    values = read_lines(request.POST.get("values", ""))
    set_searchable(actor=_actor(request), workflow_id=pk, values=values)
    messages.success(request, _("The searchable values are changed."))
    return redirect("workflow", pk)


def _run(actor: Actor, pk: UUID) -> Run:
    rows = Run.objects.visible_to(actor).select_related("workflow", "version")
    return get_object_or_404(rows, public_id=pk)


def _number(given: QueryDict, name: str) -> int | None:
    text = given.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _given_id(given: QueryDict, name: str) -> UUID | None:
    try:
        return UUID(given.get(name, ""))
    except ValueError:
        return None


def _actor(request: HttpRequest) -> Actor:
    return request.actor  # type: ignore[attr-defined]  # set by `page`
