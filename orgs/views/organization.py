"""The organization itself: what is said of it, its end, its handing over."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.errors import InvalidInput, NotFound
from orgs import actions
from orgs.access import can
from orgs.forms.organization import (
    CloseForm,
    OriginsForm,
    RetentionForm,
    SettingsForm,
    TransferForm,
)
from orgs.models import Organization, Role
from orgs.pages import page
from orgs.panels import danger_panels
from orgs.permissions import VERBS


@require_http_methods(["GET", "POST"])
@page("org.view")
def organization(request: HttpRequest) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    found = Organization.objects.get(pk=actor.organization_id)
    form = SettingsForm(request.POST or None, initial=SettingsForm.initial_of(found))
    if request.method == "POST" and form.is_valid():
        actions.update_organization(actor=actor, **form.cleaned_data)
        messages.success(request, _("The settings are saved."))
        return redirect("organization_settings")
    return render(
        request,
        "orgs/organization.html",
        {
            "title": _("Organization"),
            "organization": found,
            "form": form,
            "origins_form": OriginsForm(initial={"origins": "\n".join(found.cors_origins)}),
            "retention_form": RetentionForm(initial={"days": found.run_retention_days}),
            "roles": Role.choices,
            "table": _role_table(),
        },
    )


def _role_table() -> list[tuple[str, list[bool]]]:
    """What each role may do, row by row, as the permission table says it."""
    return [(verb, [role in roles for role in Role.values]) for verb, roles in VERBS.items()]


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


@require_POST
@page("org.manage")
def set_retention(request: HttpRequest) -> HttpResponse:
    """An empty field keeps runs for ever."""
    form = RetentionForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Enter a number of days from 1 to 36500, or nothing."))
        return redirect("organization_settings")
    actor = request.actor  # type: ignore[attr-defined]
    actions.set_run_retention(actor=actor, days=form.cleaned_data["days"])
    messages.success(request, _("The retention of runs is changed."))
    return redirect("organization_settings")


@require_GET
@page("org.view")
def danger(request: HttpRequest) -> HttpResponse:
    return _danger(request, CloseForm())


def _danger(request: HttpRequest, form: CloseForm) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    owner = can(actor, "org.close")
    context: dict[str, Any] = {
        "title": _("Organization"),
        "organization": Organization.objects.get(pk=actor.organization_id),
        "owner": owner,
        "form": form,
        "transfer": TransferForm(actor=actor),
        "panels": danger_panels(actor) if owner else [],
    }
    return render(request, "orgs/danger.html", context)


@require_POST
@page("org.close")
def close(request: HttpRequest) -> HttpResponse:
    form = CloseForm(request.POST)
    if not form.is_valid():
        return _danger(request, form)
    actions.close_organization(actor=request.actor, **form.cleaned_data)  # type: ignore[attr-defined]
    messages.success(request, _("The organization will be deleted. Until then you can keep it."))
    return redirect("organization_danger")


@require_POST
@page("org.close")
def keep(request: HttpRequest) -> HttpResponse:
    actions.keep_organization(actor=request.actor)  # type: ignore[attr-defined]
    messages.success(request, _("The organization is kept."))
    return redirect("organization_danger")


@require_POST
@page("org.close")
def transfer(request: HttpRequest) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    form = TransferForm(request.POST, actor=actor)
    if not form.is_valid():
        raise NotFound("There is no such member.")
    row = actions.transfer_ownership(actor=actor, membership_id=form.cleaned_data["member"])
    said = _("%(name)s is an owner now, and you are an administrator.")
    messages.success(request, said % {"name": row.user.get_full_name()})
    return redirect("organization_danger")
