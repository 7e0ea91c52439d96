"""Invitations as the organization sees them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.errors import DomainError
from core.repeats import takes_many
from orgs import actions
from orgs.forms.members import InvitationForm
from orgs.listing import newest
from orgs.models import Invitation
from orgs.pages import page


@require_http_methods(["GET", "POST"])
@page("member.manage")
@takes_many("teams")
def invitations(request: HttpRequest) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    form = InvitationForm(request.POST or None, actor=actor)
    if request.method == "POST" and form.is_valid() and _invite(request, form):
        return redirect("organization_invitations")
    rows, more = newest(Invitation.objects.visible_to(actor), request)
    context: dict[str, Any] = {
        "title": _("Organization"),
        "form": form,
        "invitations": rows,
        "more": more,
    }
    return render(request, "orgs/invitations.html", context)


def _invite(request: HttpRequest, form: InvitationForm) -> bool:
    try:
        row = actions.create_invitation(
            actor=request.actor,  # type: ignore[attr-defined]
            email=form.cleaned_data["email"],
            role=form.cleaned_data["role"],
            team_ids=form.cleaned_data["teams"],
        )
    except DomainError as error:
        form.add_error(None, _(error.message))
        return False
    messages.success(request, _("An invitation is on its way to %s.") % row.email)
    return True


@require_POST
@page("member.manage")
def resend(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = actions.resend_invitation(actor=request.actor, invitation_id=pk)  # type: ignore[attr-defined]
    said = _("Another mail is on its way to %s; the former link is dead.")
    messages.success(request, said % row.email)
    return redirect("organization_invitations")


@require_POST
@page("member.manage")
def revoke(request: HttpRequest, pk: UUID) -> HttpResponse:
    actions.revoke_invitation(actor=request.actor, invitation_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The invitation is taken back."))
    return redirect("organization_invitations")
