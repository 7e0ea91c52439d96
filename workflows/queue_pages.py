"""Pages about how runs queue and how often nodes work."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.errors import DomainError, NotFound, PermissionRefused
from orgs.access import can, require
from orgs.listing import newest
from orgs.pages import carried_out, page
from workflows.actions import (
    change_rate_limit,
    create_rate_limit,
    delete_rate_limit,
    set_run_policy,
)
from workflows.actions.rates import FIELDS
from workflows.models import NodeRateLimit
from workflows.queue_forms import RateLimitForm, RunPolicyForm


@require_POST
@page("org.view")
def run_policy(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor: Any = request.actor  # type: ignore[attr-defined]
    form = RunPolicyForm(request.POST)
    if not form.is_valid():
        said = [str(error) for errors in form.errors.values() for error in errors]
        messages.error(request, " ".join(said))
        return redirect("workflow", pk)
    try:
        set_run_policy(actor=actor, workflow_id=pk, **form.cleaned_data)
        messages.success(request, _("How its runs queue is changed."))
    except (NotFound, PermissionRefused):
        raise
    except DomainError as refused:
        messages.error(request, refused.message)
    return redirect("workflow", pk)


@require_http_methods(["GET", "POST"])
@page("workflow.view")
def rate_limits(request: HttpRequest) -> HttpResponse:
    actor: Any = request.actor  # type: ignore[attr-defined]
    form = RateLimitForm(request.POST or None)
    if request.method == "POST":
        require(actor, "limit.manage")
        if carried_out(form, create_rate_limit, actor=actor):
            messages.success(request, _("The limit holds within seconds."))
            return redirect("rate_limits")
    rows, more = newest(NodeRateLimit.objects.visible_to(actor), request)
    context = {
        "title": _("Organization"),
        "rows": rows,
        "more": more,
        "form": form,
        "may_manage": can(actor, "limit.manage"),
    }
    return render(request, "workflows/rate_limits.html", context)


@require_http_methods(["GET", "POST"])
@page("limit.manage")
def rate_limit(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor: Any = request.actor  # type: ignore[attr-defined]
    row = get_object_or_404(NodeRateLimit.objects.visible_to(actor), pk=pk)
    first = {name: getattr(row, name) for name in FIELDS}
    form = RateLimitForm(request.POST or None, initial=first)
    if request.method == "POST":
        changed = carried_out(form, change_rate_limit, actor=actor, limit_id=row.pk)
        if changed:
            messages.success(request, _("The limit is changed."))
            return redirect("rate_limits")
    return render(
        request, "workflows/rate_limit.html", {"title": row.name, "row": row, "form": form}
    )


@require_POST
@page("limit.manage")
def rate_limit_delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    delete_rate_limit(actor=request.actor, limit_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The limit is gone."))
    return redirect("rate_limits")
