"""What a workflow's page shows of how its runs queue."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

from workflows.actions.queueing import policy_of
from workflows.models import Workflow
from workflows.queue_forms import RunPolicyForm

register = template.Library()


@register.inclusion_tag("workflows/_queueing.html", takes_context=True)
def queueing_card(context: Context, workflow: Workflow) -> dict[str, Any]:
    """For who may edit the workflow: its policy, in a form."""
    form = RunPolicyForm(initial=RunPolicyForm.initial_of(policy_of(workflow)))
    return {"workflow": workflow, "form": form, "csrf_token": context.get("csrf_token")}
