"""The triggers of a workflow, for its page."""

from __future__ import annotations

from typing import Any

from django import template

from workflows.models import Trigger, Workflow

register = template.Library()
SHOWN = 100


@register.simple_tag
def triggers_of(workflow: Workflow) -> list[Trigger]:
    """All there can be, newest first; whoever sees the workflow sees them."""
    rows = Trigger.objects.filter(workflow=workflow).select_related("source_workflow")
    return list(rows.order_by("-pk")[:SHOWN])


@register.filter
def when(trigger: Trigger) -> Any:
    """In few words: its cron line, its interval, its scheme."""
    config = trigger.config
    if trigger.kind == Trigger.Kind.SCHEDULE:
        return config["cron"] or f"{config['every_seconds']} s"
    return config.get("scheme", "")
