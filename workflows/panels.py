"""What workflows brings to the shell: navigation, home panels, figures of the console."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
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
from workflows.models import Run

DAYS = 14
VIEW_RUN = "workflows.view_run"
FAILED = Q(state=Run.State.FAILED)


def contribute() -> None:
    register_nav(_("Build"), _("Workflows"), "account_tree", "workflows", 110, "org.view")
    register_nav(_("Work"), _("Runs"), "play_circle", "runs", 210, "org.view")
    register_tab(_("Rate limits"), "rate_limits", 65, verb="workflow.view")
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


def _lately(actor: Any) -> Any:
    """Runs of the last days: the organization's, or everybody's for an operator."""
    since = now() - timedelta(days=DAYS)
    runs = Run.objects.visible_to(actor) if actor else Run.objects.all()
    return runs.filter(created_at__gte=since)


def run_count(actor: Any) -> Kpi:
    found = _lately(actor).aggregate(n=Count("pk"), live=Count("pk", Q(state__in=Run.LIVE)))
    note = _("%(n)s under way") % {"n": found["live"]}
    return Kpi(_("Runs, 14 days"), "play_circle", str(found["n"]), note, url=reverse("runs"))


def success_rate(actor: Any) -> Kpi:
    ended = _lately(actor).exclude(state__in=Run.LIVE)
    found = ended.aggregate(n=Count("pk"), failed=Count("pk", FAILED))
    if not found["n"]:
        return Kpi(_("Success rate"), "task_alt", "–", _("no finished runs"))
    rate = 100 * (found["n"] - found["failed"]) / found["n"]
    note = _("%(n)s failed") % {"n": found["failed"]}
    tone = "warn" if found["failed"] else "ok"
    return Kpi(_("Success rate"), "task_alt", f"{rate:.1f}%", note, tone)


def chart(actor: Any) -> dict[str, Any]:
    rows = (
        _lately(actor)
        .annotate(day=TruncDate("created_at"))
        .values("day")
        .annotate(good=Count("pk", ~FAILED), bad=Count("pk", FAILED))
    )
    by_day = {row["day"]: row for row in rows}
    today = now().date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    good = [by_day.get(day, {}).get("good", 0) for day in days]
    bad = [by_day.get(day, {}).get("bad", 0) for day in days]
    return {
        "runs_chart": {
            "labels": [day.isoformat() for day in days],
            "datasets": [
                {"label": str(_("Succeeded or under way")), "data": good, "tone": "ok"},
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
