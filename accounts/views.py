"""The personal centre, and the switch of language. Sign-in and factors are allauth's pages."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.logout import logout
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import check_for_language
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.i18n import set_language as django_set_language

from accounts.actions import (
    close_account,
    end_other_sessions,
    end_session,
    mute_notification,
    save_preferences,
)
from accounts.departure import check_departure
from accounts.forms import NotificationsForm, ProfileForm
from accounts.models import SecurityEvent, User
from accounts.notifications import constant_kinds, notification_kinds
from accounts.unsubscribing import measure, read_token
from core.errors import DomainError, NotFound
from core.middleware import RATE_MARK

EVENTS_PER_PAGE = 50


def _me(request: HttpRequest) -> User:
    user = request.user
    if not isinstance(user, User):  # `login_required` has made sure of it
        raise TypeError("nobody is signed in")
    return user


@require_http_methods(["GET", "POST"])
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, user=_me(request))
    if request.method == "POST" and form.is_valid():
        save_preferences(user=_me(request), **form.cleaned_data)
        messages.success(request, _("Your profile is saved."))
        return redirect("account_profile")
    return render(request, "accounts/profile.html", {"title": _("Profile"), "form": form})


@require_http_methods(["GET", "POST"])
@login_required
def notifications(request: HttpRequest) -> HttpResponse:
    form = NotificationsForm(request.POST if request.method == "POST" else None, user=_me(request))
    if request.method == "POST" and form.is_valid():
        save_preferences(user=_me(request), muted=form.muted())
        messages.success(request, _("Your notifications are saved."))
        return redirect("account_notifications")
    context = {"title": _("Notifications"), "form": form, "constant": constant_kinds()}
    return render(request, "accounts/notifications.html", context)


@csrf_exempt  # a mail program posts here by itself; the token is what allows it
@require_http_methods(["GET", "POST"])
def notification_off(request: HttpRequest, token: str) -> HttpResponse:
    """Looking asks, posting does: a program that merely follows links turns nothing off."""
    user_id, name = read_token(token) or (None, "")
    verdict = measure(request, user_id)
    setattr(request, RATE_MARK, verdict)
    if not verdict.allowed:
        return render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)
    kind = next((each for each in notification_kinds() if each.name == name), None)
    if request.method == "POST" and user_id is not None and kind is not None:
        mute_notification(user_id=user_id, kind=kind.name)
    context = {"kind": kind, "done": request.method == "POST"}
    status = HTTPStatus.NOT_FOUND if kind is None else HTTPStatus.OK
    return render(request, "accounts/notification_off.html", context, status=status)


@require_GET
@login_required
def sessions(request: HttpRequest) -> HttpResponse:
    rows = UserSession.objects.purge_and_list(_me(request))
    rows.sort(key=lambda row: (row.is_current(), row.last_seen_at), reverse=True)
    context = {"title": _("Sessions"), "sessions": rows, "others": len(rows) > 1}
    return render(request, "accounts/sessions.html", context)


@require_POST
@login_required
@reauthentication_required
def end_one_session(request: HttpRequest, pk: str) -> HttpResponse:
    try:
        end_session(user=_me(request), session_id=pk)
    except NotFound as error:
        raise Http404(error.message) from error
    messages.success(request, _("The session is ended."))
    return redirect("account_sessions")


@require_POST
@login_required
@reauthentication_required
def end_sessions(request: HttpRequest) -> HttpResponse:
    end_other_sessions(user=_me(request), keep=request.session.session_key)
    messages.success(request, _("You are signed out everywhere else."))
    return redirect("account_sessions")


@require_GET
@login_required
def security_log(request: HttpRequest) -> HttpResponse:
    """Keyset pages: `?before=` the last id of the page above."""
    rows = SecurityEvent.objects.of_user(_me(request).pk).order_by("-id")
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:
        rows = rows.filter(id__lt=int(before))
    found = list(rows[: EVENTS_PER_PAGE + 1])
    more = found[EVENTS_PER_PAGE - 1].pk if len(found) > EVENTS_PER_PAGE else None
    context = {"title": _("Security log"), "events": found[:EVENTS_PER_PAGE], "more": more}
    return render(request, "accounts/security_log.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def close(request: HttpRequest) -> HttpResponseBase:
    """The page says at once what stands in the way; closing itself asks who sits there."""
    refused = _in_the_way(_me(request))
    if request.method == "POST" and refused is None:
        return _close(request)
    context = {"title": _("Close account"), "refused": refused}
    status = HTTPStatus.CONFLICT if request.method == "POST" else HTTPStatus.OK
    return render(request, "accounts/close.html", context, status=status)


@reauthentication_required
def _close(request: HttpRequest) -> HttpResponseBase:
    user = _me(request)
    try:
        close_account(user=user)
    except DomainError as error:  # overtaken since the page was shown
        messages.error(request, error.message)
        return redirect("account_close")
    logout(request, show_message=False)
    get_adapter().add_message(request, messages.SUCCESS, message=_("Your account is closed."))
    return redirect("account_login")


def _in_the_way(user: User) -> DomainError | None:
    try:
        check_departure(user)
    except DomainError as error:
        return error
    return None


@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """As Django does it, and remembered with the account of whoever is signed in."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and check_for_language(language):
        with suppress(DomainError):  # a language of Django's that is none of ours
            save_preferences(user=_me(request), language=language)
    return django_set_language(request)
