"""Invitations as the invited person sees them.

A mail's link puts the invitation into the session and leads on at once, so that its secret is in
no page, no `Referer` and no address bar. Looking changes nothing: who joins says so by POST.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.addresses import confirm_address, expect_signup, forget_signup, verified_addresses
from accounts.models import User
from core.errors import DomainError
from orgs import actions
from orgs.access import SESSION_KEY
from orgs.actions.invitations import digest_of
from orgs.models import Invitation
from orgs.reads import invitations_for

OPENED = "invitation_digest"
"""In the session: the digest of the link that was opened. A newer mail makes it worthless."""


@require_GET
@never_cache
def link(request: HttpRequest, secret: str) -> HttpResponse:
    """Known or not, the answer is the same."""
    request.session[OPENED] = digest_of(secret)
    invitation = _opened(request)
    if invitation is not None and invitation.state == "open" and not request.user.is_authenticated:
        expect_signup(request, invitation.email)
    return redirect("invitation")


def _opened(request: HttpRequest) -> Invitation | None:
    digest = request.session.get(OPENED)
    rows = Invitation.objects.select_related("organization")
    return rows.filter(digest=digest).first() if digest else None


@require_GET
@never_cache
def invitation(request: HttpRequest) -> HttpResponse:
    """Who asks, whereto, and what the visitor can do about it."""
    found = _meant(request, request.GET.get("id", ""))
    context: dict[str, Any] = {"title": _("Invitation"), "invitation": found}
    if found is not None:
        by = found.invited_by_id
        inviter = User.objects.filter(pk=by).first() if by else None
        context |= {"inviter": inviter, "state": _state(found), "mine": _is_mine(request, found)}
    return render(request, "orgs/invitation.html", context)


def _meant(request: HttpRequest, named: str) -> Invitation | None:
    """The invitation of the opened link, or one to the signed-in person that is named by its id."""
    if named and request.user.is_authenticated:
        try:
            rows = invitations_for(request.user).filter(pk=UUID(named))
        except ValueError:
            return None
        return rows.first()
    return _opened(request)


def _state(found: Invitation) -> str:
    closing = found.organization.closing_at or found.organization.closed_at
    return "revoked" if closing and found.state == "open" else found.state


def _is_mine(request: HttpRequest, found: Invitation) -> bool:
    """Whether the signed-in account has the invited address, be it proven or just now."""
    if not request.user.is_authenticated:
        return False
    user = request.user
    return found.email.lower() in {user.email.lower(), *verified_addresses(user)}


@require_POST
@login_required
def accept(request: HttpRequest) -> HttpResponse:
    found = _meant(request, request.POST.get("id", ""))
    if found is None:
        return redirect("invitation")
    _prove(request, found)
    try:
        row = actions.accept_invitation(user=cast(User, request.user), invitation_id=found.pk)
    except DomainError as error:
        messages.error(request, _(error.message))
        return redirect("invitation")
    _close(request)
    request.session[SESSION_KEY] = str(row.organization_id)
    said = _("Welcome to %(organization)s.") % {"organization": found.organization.name}
    messages.success(request, said)
    return redirect("home")


def _prove(request: HttpRequest, found: Invitation) -> None:
    """The link was sent to this address alone: who opened it reads what is sent there."""
    if request.session.get(OPENED) == found.digest and found.state == "open":
        confirm_address(cast(User, request.user), found.email)


@require_POST
@login_required
def decline(request: HttpRequest) -> HttpResponse:
    found = _meant(request, request.POST.get("id", ""))
    if found is not None:
        _prove(request, found)
        try:
            actions.decline_invitation(user=cast(User, request.user), invitation_id=found.pk)
        except DomainError as error:
            messages.error(request, _(error.message))
            return redirect("invitation")
        _close(request)
        messages.success(request, _("The invitation is declined."))
    return redirect("home")


@require_POST
@never_cache
def put_away(request: HttpRequest) -> HttpResponse:
    """Forget the opened link in this browser: for who wants to sign up for something else."""
    _close(request)
    return redirect("account_login")


def _close(request: HttpRequest) -> None:
    request.session.pop(OPENED, None)
    forget_signup(request)
