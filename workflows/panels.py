"""What workflows brings to the shell: navigation, home panels, figures of the console."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Sum
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from bpm.models import HumanTask
from core.ui import (
    Kpi,
    register_dashboard_kpi,
    register_dashboard_panel,
    register_home_kpi,
    register_home_panel,
    register_nav,
)
from orgs.tabs import register_tab
from workflows.models import RollupHour, Run

DAYS = 14
VIEW_RUN = "workflows.view_run"


def contribute() -> None:
    register_nav(_("Build"), _("Workflows"), "account_tree", "workflows", 110, "org.view")
    register_nav(_("Work"), _("Runs"), "play_circle", "runs", 210, "org.view")
    register_tab(_("Rate limits"), "rate_limits", 65, verb="workflow.view")
    register_nav(_("Work"), _("Statistics"), "bar_chart", "run_statistics", 220, "org.view")
    register_home_kpi("runs", run_count, 10, "run.view")
    register_home_kpi("success", success_rate, 20, "run.view")
    register_home_panel("runs", "workflows/_panel_chart.html", chart, 10, "run.view", "main")
    register_home_panel("recent", "workflows/_panel_recent.html", recent, 17, "run.view")
    register_dashboard_kpi("runs", run_count, 10, VIEW_RUN)
    register_dashboard_kpi("success", success_rate, 20, VIEW_RUN)
    register_dashboard_panel("runs", "workflows/_panel_chart.html", chart, 10, "half", VIEW_RUN)
    register_dashboard_panel(
        "recent", "workflows/_panel_latest.html", latest, 30, permission=VIEW_RUN
    )


def run_url(task: HumanTask) -> str:
    """From a task to the run that asked; nowhere once that is deleted."""
    named = task.subject_id.partition(":")[0]
    kept = Run.objects.filter(public_id=named).exists()
    return reverse("run", args=[named]) if kept else ""


def _ends(actor: Any) -> Any:
    """Sums of what ended in the last days: of the organization, or of all for an operator."""
    first = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    sums = RollupHour.objects.visible_to(actor) if actor else RollupHour.objects.all()
    return sums.filter(node_id="", hour__gte=first)


def run_count(actor: Any) -> Kpi:
    ended = _ends(actor).aggregate(n=Sum("total"))["n"] or 0
    runs = Run.objects.visible_to(actor) if actor else Run.objects.all()
    live = runs.filter(ended_at__isnull=True).count()
    note = _("%(n)s under way") % {"n": live}
    return Kpi(_("Runs, 14 days"), "play_circle", str(ended + live), note, url=reverse("runs"))


def success_rate(actor: Any) -> Kpi:
    found = _ends(actor).aggregate(good=Sum("succeeded"), bad=Sum("failed"))
    good, bad = found["good"] or 0, found["bad"] or 0
    url = reverse("run_statistics") if actor else ""
    if not good + bad:
        return Kpi(_("Success rate"), "task_alt", "–", _("no finished runs"), url=url)
    note = _("%(n)s failed") % {"n": bad}
    tone = "warn" if bad else "ok"
    rate = f"{100 * good / (good + bad):.1f}%"
    return Kpi(_("Success rate"), "task_alt", rate, note, tone, url=url)


def chart(actor: Any) -> dict[str, Any]:
    rows = (
        _ends(actor)
        .annotate(day=TruncDate("hour"))
        .values("day")
        .annotate(all=Sum("total"), bad=Sum("failed"))
        .order_by()
    )
    by_day = {row["day"]: row for row in rows}
    today = now().date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    bad = [by_day.get(day, {}).get("bad", 0) for day in days]
    good = [by_day.get(day, {}).get("all", 0) - n for day, n in zip(days, bad, strict=True)]
    return {
        "runs_chart": {
            "labels": [day.isoformat() for day in days],
            "datasets": [
                {"label": str(_("Ended well or stopped")), "data": good, "tone": "ok"},
                {"label": str(_("Failed")), "data": bad, "tone": "bad"},
            ],
        }
    }


def latest(actor: None) -> dict[str, Any]:
    """The newest runs of every organization, for operators."""
    runs = Run.objects.select_related("workflow", "organization").order_by("-pk")
    return {"rows": runs.defer("inputs", "outputs", "system")[:10]}


def recent(actor: Any) -> dict[str, Any]:
    runs = Run.objects.visible_to(actor).select_related("workflow").order_by("-pk")
    return {"rows": runs.defer("inputs", "outputs", "system")[:8]}
