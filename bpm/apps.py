from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from orgs.access import Actor


class Config(AppConfig):
    name = "bpm"
    verbose_name = _("Approvals")

    def ready(self) -> None:
        from bpm import erasing, trail
        from bpm.inbox import count_waiting
        from bpm.panels import open_tasks, waiting_for
        from core.ui import (
            register_dashboard_kpi,
            register_home_kpi,
            register_home_panel,
            register_nav,
        )

        erasing.contribute()
        trail.contribute()
        register_nav(
            _("Work"), _("Inbox"), "inbox", "inbox", 200, verb="task.view", badge=count_waiting
        )
        register_home_kpi("tasks", waiting_for, 30, verb="task.decide")
        register_dashboard_kpi("tasks", open_tasks, 25, "bpm.view_humantask")
        register_home_panel(
            "waiting", "bpm/_waiting.html", _waiting, 15, verb="task.decide", span="side"
        )


def _waiting(actor: "Actor") -> Mapping[str, Any]:
    """The most urgent tasks of a person, for the home page."""
    from bpm.inbox import Box

    return {"box": Box(actor, length=5)}
