"""How a server-rendered page starts: signed in, in an organization, allowed."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext

from accounts.errors import SecondFactorRequired
from core.denials import DENIALS, note_denial
from core.errors import DomainError, NotFound, PermissionRefused
from orgs.access import actor_of, require
from orgs.errors import NoOrganization

View = Callable[..., HttpResponseBase]
Row = TypeVar("Row")


def page(verb: str) -> Callable[[View], View]:
    """Decorate a view: puts `request.actor`, checks `verb`, and turns refusals into answers.

    NotFound becomes the 404 page and PermissionRefused the 403 page; any other refusal of a form
    is shown as a message on the page it came from.
    """

    def decorate(view: View) -> View:
        @login_required
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                request.actor = actor_of(request)  # type: ignore[attr-defined]
                require(request.actor, verb)  # type: ignore[attr-defined]
                return view(request, *args, **kwargs)
            except DomainError as error:
                return _refuse(request, error)

        return answer

    return decorate


def _refuse(request: HttpRequest, error: DomainError) -> HttpResponseBase:
    if error.status in DENIALS:
        note_denial(request, error.code)
    if isinstance(error, SecondFactorRequired):
        return _to_factors(request, error)
    if isinstance(error, NotFound):
        raise Http404(error.message) from error
    if isinstance(error, PermissionRefused | NoOrganization) or request.method == "GET":
        raise PermissionDenied(error.message) from error
    messages.error(request, gettext(error.message))
    return redirect(back_from(request))


def _to_factors(request: HttpRequest, error: SecondFactorRequired) -> HttpResponseBase:
    messages.warning(request, gettext(error.message))
    if request.headers.get("HX-Request"):  # a fragment cannot hold the page it leads to
        return HttpResponse(headers={"HX-Redirect": reverse("mfa_index")})
    return redirect("mfa_index")


def carried_out(form: Form, act: Callable[..., Row], **given: Any) -> Row | None:
    """What `act` makes of a form's fields; None, with the reason in the form, when either says no.

    Nothing has to be typed again then. NotFound and PermissionRefused are for `page` to answer.
    """
    if not form.is_valid():
        return None
    try:
        return act(**given, **form.cleaned_data)
    except (NotFound, PermissionRefused):
        raise
    except DomainError as error:
        form.add_error(None, gettext(error.message))
        return None


def back_from(request: HttpRequest) -> str:
    """The page of ours that a form was sent from."""
    referer = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(referer, {request.get_host()}, request.is_secure())
    return referer if safe else "/"
