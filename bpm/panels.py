"""Figures of tasks for the home page and the operators' first page."""

from typing import Any

from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _

from bpm.inbox import count_waiting
from bpm.models import HumanTask
from core.ui import Kpi


def waiting_for(actor: Any) -> Kpi:
    """What one person could decide now."""
    waiting = count_waiting(actor)
    note = _("ready to be decided") if waiting else _("nothing waits for you")
    return Kpi(_("Waiting for you"), "inbox", str(waiting), note, url=reverse("inbox"))


def open_tasks(actor: None) -> Kpi:
    """Every undecided task of every organization, and how many of them are late."""
    undecided = HumanTask.objects.filter(closed_at=None)
    late = undecided.filter(due_at__lt=now()).count()
    note = _("%(n)s overdue") % {"n": late}
    url = reverse("admin:bpm_humantask_changelist")
    tone = "warn" if late else ""
    return Kpi(_("Open tasks"), "approval", str(undecided.count()), note, tone, url)
