"""Pages of orgs. Every write goes through the action the API uses."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.errors import InvalidInput
from core.ui import home_context
from orgs import actions
from orgs.access import SESSION_KEY, memberships_of
from orgs.forms import MemberForm, OrganizationForm, OriginsForm, RoleForm
from orgs.models import Membership, Organization, Project, Role
from orgs.pages import back_from, page
from orgs.permissions import VERBS
from orgs.sharing import change_sharing


@require_GET
@page("org.view")
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "orgs/home.html", {"title": _("Home"), **home_context(request)})


@require_GET
@login_required
def navigation(request: HttpRequest) -> HttpResponse:
    """The sidebar's entries alone, so that their counts stay fresh on an open page."""
    return render(request, "ui/_nav.html")


@require_POST
@login_required
def switch_organization(request: HttpRequest) -> HttpResponse:
    """Remember another organization of the person; a foreign one is ignored."""
    named = request.POST.get("organization", "")
    mine = {str(row.organization_id) for row in memberships_of(request.user.pk)}
    if named in mine:
        request.session[SESSION_KEY] = named
    return redirect("home")


@require_http_methods(["GET", "POST"])
@page("org.view")
def organization(request: HttpRequest) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    found = Organization.objects.get(pk=actor.organization_id)
    form = OrganizationForm(request.POST or None, initial={"name": found.name})
    if request.method == "POST" and form.is_valid():
        actions.rename_organization(actor=actor, name=form.cleaned_data["name"])
        messages.success(request, _("The name is saved."))
        return redirect("organization_settings")
    return render(
        request,
        "orgs/organization.html",
        {
            "title": _("Organization"),
            "organization": found,
            "form": form,
            "member_form": MemberForm(),
            "origins_form": OriginsForm(initial={"origins": "\n".join(found.cors_origins)}),
            "members": _members(actor),
            "roles": Role.choices,
            "table": _role_table(),
        },
    )


@require_POST
@page("org.manage")
def set_origins(request: HttpRequest) -> HttpResponse:
    form = OriginsForm(request.POST)
    try:
        if form.is_valid():
            actor = request.actor  # type: ignore[attr-defined]
            actions.set_cors_origins(actor=actor, origins=form.origins_given())
            messages.success(request, _("The allowed origins are saved."))
    except InvalidInput as error:
        named = error.detail.get("origin", "")
        messages.error(request, f"{error.message} {named}".strip())
    return redirect("organization_settings")


def _members(actor: Any) -> Any:
    rows = Membership.objects.visible_to(actor).select_related("user")
    return rows.order_by("created_at")


def _role_table() -> list[tuple[str, list[bool]]]:
    """What each role may do, row by row, as the permission table says it."""
    return [(verb, [role in roles for role in Role.values]) for verb, roles in VERBS.items()]


@require_POST
@page("member.manage")
def add_member(request: HttpRequest) -> HttpResponse:
    form = MemberForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Enter an e-mail address and choose a role."))
        return redirect("organization_settings")
    row = actions.add_member(actor=request.actor, **form.cleaned_data)  # type: ignore[attr-defined]
    messages.success(request, _("%(name)s is a member now.") % {"name": row.user.get_full_name()})
    return redirect("organization_settings")


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
    return redirect("organization_settings")


@require_POST
@page("org.view")
def remove_member(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The action lets people leave by themselves, so no more than seeing is asked here."""
    actions.remove_member(actor=request.actor, membership_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The member is removed."))
    return redirect("home")


@require_POST
@page("org.view")
def share_project(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give or take back one right on a project; leads back to the page the form stands on."""
    actor = request.actor  # type: ignore[attr-defined]
    found = get_object_or_404(Project.objects.visible_to(actor), pk=pk)
    change_sharing(request, actor, found, "project.manage")
    messages.success(request, _("Sharing is changed."))
    return redirect(back_from(request))
