"""Pages of sign-on. Every write goes through the action the API uses."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.sso.identities import identities_of
from accounts.sso.provider import callback_url, logout_url
from core.errors import DomainError, NotFound, PermissionRefused
from orgs import actions
from orgs.actions.sso import find_connection
from orgs.actions.sso_domains import proof_url
from orgs.forms.sso import ChangeForm, ConnectionForm, DomainForm
from orgs.models import SsoConnection, SsoDomain
from orgs.pages import carried_out, page

SHOWN_PEOPLE = 50
"""On the page; the API lists them all."""


@require_GET
@page("org.manage")
def connections(request: HttpRequest) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    proven = Count("domains", filter=Q(domains__verified_at__isnull=False))
    rows = SsoConnection.objects.of(actor.organization_id).annotate(proven=proven).order_by("name")
    context = {"title": _("Sign-on"), "connections": rows}
    return render(request, "orgs/sso_connections.html", context)


@require_http_methods(["GET", "POST"])
@page("org.manage")
def new(request: HttpRequest) -> HttpResponse:
    form = ConnectionForm(request.POST or None)
    if request.method == "POST":
        row = carried_out(form, actions.create_connection, actor=request.actor)  # type: ignore[attr-defined]
        if row is not None:
            messages.success(request, _("The connection is stored. Prove a domain next."))
            return redirect("sso_edit", row.pk)
    context = {"title": _("New sign-on"), "form": form}
    return render(request, "orgs/sso_new.html", context)


@require_http_methods(["GET", "POST"])
@page("org.manage")
def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    row = find_connection(actor, pk)
    form = ChangeForm(request.POST) if request.method == "POST" else ChangeForm.of(row)
    if request.method == "POST":
        if carried_out(form, actions.update_connection, actor=actor, connection_id=pk):
            messages.success(request, _("The connection is saved."))
            return redirect("sso_edit", pk)
        row.refresh_from_db()
    return render(request, "orgs/sso_edit.html", _shown(row, form))


def _shown(row: SsoConnection, form: ConnectionForm) -> dict[str, Any]:
    domains = SsoDomain.objects.of(row.organization_id).filter(connection=row).order_by("domain")
    identities = identities_of([row.pk]).order_by("-pk")
    return {
        "title": row.name,
        "identities": identities[:SHOWN_PEOPLE],
        "linked": identities.count(),
        "connection": row,
        "form": form,
        "domain_form": DomainForm(),
        "domains": [(domain, proof_url(domain.domain)) for domain in domains],
        "redirect_uri": callback_url(row.pk),
        "logout_uri": logout_url(row.pk),
        "secret_hint": str(row.client_secret),
    }


@require_POST
@page("org.manage")
def switch(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = actions.switch_connection(
        actor=request.actor,  # type: ignore[attr-defined]
        connection_id=pk,
        enabled=request.POST.get("enabled") == "1",
    )
    on = _("The connection is switched on.")
    messages.success(request, on if row.enabled else _("The connection is switched off."))
    return redirect("sso_edit", pk)


@require_POST
@page("org.manage")
def check(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        actions.check_connection(actor=request.actor, connection_id=pk)  # type: ignore[attr-defined]
    except (NotFound, PermissionRefused):
        raise
    except DomainError as error:
        reason = str(error.detail.get("reason", ""))
        messages.error(request, f"{_(error.message)} {reason}".strip())
    else:
        messages.success(request, _("The provider answers as it should."))
    return redirect("sso_edit", pk)


@require_POST
@page("org.manage")
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    actions.delete_connection(actor=request.actor, connection_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The connection is deleted."))
    return redirect("sso_connections")


@require_POST
@page("org.manage")
def new_domain(request: HttpRequest, pk: UUID) -> HttpResponse:
    form = DomainForm(request.POST)
    if form.is_valid():
        domain = form.cleaned_data["domain"]
        actions.add_domain(actor=request.actor, connection_id=pk, domain=domain)  # type: ignore[attr-defined]
        messages.success(request, _("The domain is noted. Now prove that it is yours."))
    return redirect("sso_edit", pk)


@require_POST
@page("org.manage")
def verify(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = actions.verify_domain(actor=request.actor, domain_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The domain is proven."))
    return redirect("sso_edit", row.connection_id)


@require_POST
@page("org.manage")
def remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    actions.remove_domain(actor=request.actor, domain_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The domain is removed."))
    return redirect("sso_connections")


@require_POST
@page("org.manage")
def release(request: HttpRequest, pk: str) -> HttpResponse:
    actions.release_link(actor=request.actor, identity_id=int(pk) if pk.isdecimal() else 0)  # type: ignore[attr-defined]
    messages.success(request, _("The identity is released."))
    return redirect("sso_connections")
