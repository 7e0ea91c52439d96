"""The people of an organization."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from core.errors import NotFound
from orgs import actions
from orgs.access import can
from orgs.forms.members import RoleForm
from orgs.listing import newest, typed
from orgs.models import Role
from orgs.pages import page
from orgs.reads import last_seen, members_of, with_details


@require_GET
@page("org.view")
def members(request: HttpRequest) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    query, role = typed(request, "q"), typed(request, "role")
    role = role if role in Role.values else ""
    rows, more = newest(members_of(actor, query, role), request)
    context: dict[str, Any] = {
        "title": _("Organization"),
        "members": rows,
        "more": more,
        "query": query,
        "role": role,
        "roles": Role.choices,
        "may_members": can(actor, "member.manage"),
    }
    fragment = getattr(request, "htmx", False)
    name = "orgs/_member_rows.html" if fragment else "orgs/members.html"
    return render(request, name, context)


@require_GET
@page("org.view")
def member(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    row = with_details(members_of(actor)).filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such member.")
    context = {
        "title": row.user.get_full_name(),
        "member": row,
        "last_seen": last_seen(row.user),
        "roles": Role.choices,
        "may_members": can(actor, "member.manage"),
    }
    return render(request, "orgs/member.html", context)


@require_POST
@page("member.manage")
def change_role(request: HttpRequest, pk: UUID) -> HttpResponse:
    form = RoleForm(request.POST)
    if form.is_valid():
        actions.change_role(
            actor=request.actor,  # type: ignore[attr-defined]
            membership_id=pk,
            role=form.cleaned_data["role"],
        )
        messages.success(request, _("The role is changed."))
    return redirect("organization_members")


@require_POST
@page("org.view")
def remove_member(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The action lets people leave by themselves, so no more than seeing is asked here."""
    actor = request.actor  # type: ignore[attr-defined]
    mine = members_of(actor).filter(pk=pk, user_id=actor.user_id).exists()
    actions.remove_member(actor=actor, membership_id=pk)
    if mine:
        messages.success(request, _("You have left the organization."))
        return redirect("home")
    messages.success(request, _("The member is removed."))
    return redirect("organization_members")
