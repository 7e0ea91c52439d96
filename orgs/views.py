"""Pages of orgs. Every write goes through the action the API uses."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.errors import InvalidInput
from core.ui import home_context
from orgs import actions
from orgs.access import SESSION_KEY, memberships_of
from orgs.forms import KeyForm, MemberForm, OrganizationForm, OriginsForm, RoleForm
from orgs.models import ApiKey, Membership, Organization, Role
from orgs.pages import page
from orgs.permissions import VERBS


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
            "members": _members(actor.organization_id),
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


def _members(organization_id: UUID) -> Any:
    rows = Membership.objects.of(organization_id).select_related("user")
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


@require_GET
@page("key.manage")
def keys(request: HttpRequest) -> HttpResponse:
    return render(request, "orgs/keys.html", _key_context(request))


def _key_context(request: HttpRequest) -> dict[str, Any]:
    actor = request.actor  # type: ignore[attr-defined]
    rows = ApiKey.objects.of(actor.organization_id).order_by("-pk")
    return {"title": _("API keys"), "keys": rows}


@require_http_methods(["GET", "POST"])
@page("key.manage")
def new_key(request: HttpRequest) -> HttpResponse:
    """Create a key; its token is in this one answer and nowhere else, so there is no redirect."""
    actor = request.actor  # type: ignore[attr-defined]
    form = KeyForm(request.POST or None, actor=actor)
    if request.method == "POST" and form.is_valid():
        key, token = actions.create_key(
            actor=actor,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            expires_at=form.expires_at(),
        )
        answer = {"title": key.name, "key": key, "token": token}
        response = render(request, "orgs/key_created.html", answer)
        response.headers["Cache-Control"] = "no-store"
        return response
    return render(request, "orgs/key_new.html", {"title": _("New API key"), "form": form})


@require_POST
@page("key.manage")
def revoke_key(request: HttpRequest, pk: UUID) -> HttpResponse:
    key = actions.revoke_key(actor=request.actor, key_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("“%(name)s” is revoked.") % {"name": key.name})
    return redirect("api_keys")
