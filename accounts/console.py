"""The console's door: a second factor for operators, where REQUIRE_SECOND_FACTOR asks for one."""

from collections.abc import Callable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.factors import staff_may_enter
from core.denials import note_denial


def guard_console(site: AdminSite) -> None:
    """Call before `site.urls` is read: later it would silently do nothing.

    Sign-in goes through allauth, with its limits and second factors. Who has none is led to set
    one up; until then no page of the console opens.
    """
    inner = site.has_permission
    site.login = _entrance(  # type: ignore[method-assign,assignment]
        secure_admin_login(site.login)
    )

    def has_permission(request: HttpRequest) -> bool:
        allowed = inner(request) and staff_may_enter(request)
        if not allowed and request.user.is_authenticated:
            note_denial(request, "no_operator" if not inner(request) else "second_factor_required")
        return allowed

    site.has_permission = has_permission  # type: ignore[method-assign]


def _entrance(inner: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    def login(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        staff = request.user.is_authenticated and request.user.is_active and request.user.is_staff
        if staff and not staff_may_enter(request):
            messages.warning(request, _("The console asks for a second factor. Set one up here."))
            return redirect("mfa_index")
        return inner(request, *args, **kwargs)

    return login
