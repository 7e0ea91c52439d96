"""Pages about support inside the organization: who was there, who is, and the way out."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from orgs.access import holds
from orgs.actions import end_support
from orgs.models import SupportAccess
from orgs.pages import page
from orgs.support import SESSION_KEY

PAGE = 25


@require_GET
@page("support.view")
def stays(request: HttpRequest) -> HttpResponse:
    """Every stay, newest first."""
    actor = request.actor  # type: ignore[attr-defined]
    rows = SupportAccess.objects.visible_to(actor).select_related("operator").order_by("-pk")
    if before := _id(request):
        rows = rows.filter(pk__lt=before)
    found = list(rows[: PAGE + 1])
    context = {
        "title": _("Support access"),
        "rows": found[:PAGE],
        "more": found[PAGE - 1].pk if len(found) > PAGE else None,
        "may_end": holds(actor, "support.end"),
    }
    return render(request, "orgs/support.html", context)


def _id(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("before", ""))
    except ValueError:
        return None


@require_POST
@page("support.end")
def end(request: HttpRequest, pk: UUID) -> HttpResponse:
    end_support(actor=request.actor, stay_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The stay is ended."))
    return redirect("support_stays")


@require_POST
@page("org.view")
def leave(request: HttpRequest) -> HttpResponse:
    """End one's own stay; without one, nothing happens."""
    actor = request.actor  # type: ignore[attr-defined]
    if actor.support_id is not None:
        end_support(actor=actor, stay_id=actor.support_id)
        request.session.pop(SESSION_KEY, None)
        return redirect("admin:orgs_supportaccess_changelist")
    return redirect("home")
