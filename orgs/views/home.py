"""The first page, the sidebar, and the choice of the organization one is in."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from core.errors import DomainError
from core.ui import home_context
from orgs import actions
from orgs.access import SESSION_KEY, actor_of, memberships_of
from orgs.errors import NoOrganization
from orgs.forms.organization import OrganizationForm
from orgs.pages import page
from orgs.reads import invitations_for


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponseBase:
    """Who belongs nowhere yet is shown the ways in instead."""
    try:
        actor_of(request)
    except NoOrganization as error:
        return _nowhere(request, error)
    except DomainError:
        pass  # `page` answers it like on any other page
    return _home(request)


@page("org.view")
def _home(request: HttpRequest) -> HttpResponse:
    invitations = list(invitations_for(cast(User, request.user))[:5])
    context = {"title": _("Home"), "invitations": invitations, **home_context(request)}
    return render(request, "orgs/home.html", context)


def _nowhere(request: HttpRequest, error: DomainError) -> HttpResponse:
    context = {
        "title": _("Welcome"),
        "reason": _(error.message),
        "form": OrganizationForm(),
        "invitations": list(invitations_for(cast(User, request.user))[:20]),
    }
    return render(request, "orgs/nowhere.html", context, status=error.status)


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
@login_required
def new_organization(request: HttpRequest) -> HttpResponse:
    """Found a further one, and go there."""
    form = OrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            found = actions.found_organization(
                user_id=cast(User, request.user).pk, name=form.cleaned_data["name"]
            )
        except DomainError as error:
            form.add_error(None, _(error.message))
        else:
            request.session[SESSION_KEY] = str(found.pk)
            messages.success(request, _("“%(name)s” is founded.") % {"name": found.name})
            return redirect("home")
    context = {"title": _("New organization"), "form": form}
    return render(request, "orgs/organization_new.html", context)
