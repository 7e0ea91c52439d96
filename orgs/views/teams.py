"""Teams and their people."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.errors import NotFound
from orgs import actions
from orgs.access import can, require
from orgs.actions.teams import leads
from orgs.forms.teams import JoinForm, TeamForm
from orgs.listing import newest
from orgs.models import Team, TeamMembership
from orgs.pages import carried_out, page
from orgs.reads import people_of, teams_with_size


@require_http_methods(["GET", "POST"])
@page("member.view")
def teams(request: HttpRequest) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    form = TeamForm(request.POST or None)
    if request.method == "POST":
        require(actor, "team.manage")
        made = carried_out(form, actions.create_team, actor=actor)
        if made:
            messages.success(request, _("The team is made."))
            return redirect("organization_team", made.pk)
    rows, more = newest(teams_with_size(actor), request)
    context: dict[str, Any] = {
        "title": _("Organization"),
        "teams": rows,
        "more": more,
        "form": form,
        "may_teams": can(actor, "team.manage"),
    }
    return render(request, "orgs/teams.html", context)


@require_http_methods(["GET", "POST"])
@page("member.view")
def team(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    found = Team.objects.visible_to(actor).filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such team.")
    first = {"name": found.name, "description": found.description}
    form = TeamForm(request.POST or None, initial=first)
    if request.method == "POST":
        require(actor, "team.manage")
        if carried_out(form, actions.update_team, actor=actor, team_id=pk):
            messages.success(request, _("The team is changed."))
            return redirect("organization_team", pk)
    manages = can(actor, "team.manage")
    rows, more = newest(people_of(found), request)
    context: dict[str, Any] = {
        "title": found.name,
        "team": found,
        "people": rows,
        "more": more,
        "form": form,
        "may_teams": manages,
        "may_people": manages or leads(actor, pk),
        "join": JoinForm(actor=actor, team=found),
    }
    return render(request, "orgs/team.html", context)


@require_POST
@page("team.manage")
def delete_team(request: HttpRequest, pk: UUID) -> HttpResponse:
    actions.delete_team(actor=request.actor, team_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The team is deleted."))
    return redirect("organization_teams")


@require_POST
@page("member.view")
def add_person(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A lead may too, so the action asks."""
    member = _uuid(request.POST.get("member", ""))
    actions.add_to_team(actor=request.actor, team_id=pk, membership_id=member)  # type: ignore[attr-defined]
    messages.success(request, _("The team has grown."))
    return redirect("organization_team", pk)


@require_POST
@page("member.view")
def remove_person(request: HttpRequest, pk: UUID) -> HttpResponse:
    team_id = _team_of(request, pk)
    actions.remove_from_team(actor=request.actor, team_membership_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The team is changed."))
    return redirect("organization_team", team_id)


@require_POST
@page("team.manage")
def lead(request: HttpRequest, pk: UUID) -> HttpResponse:
    team_id = _team_of(request, pk)
    wanted = request.POST.get("lead") == "1"
    actions.set_lead(actor=request.actor, team_membership_id=pk, lead=wanted)  # type: ignore[attr-defined]
    messages.success(request, _("The team is changed."))
    return redirect("organization_team", team_id)


def _team_of(request: HttpRequest, pk: UUID) -> UUID:
    actor = request.actor  # type: ignore[attr-defined]
    row = TeamMembership.objects.visible_to(actor).filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such member.")
    found: UUID = row.team_id
    return found


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no such member.") from None
