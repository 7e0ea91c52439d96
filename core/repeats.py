"""What is meant to be said once and was said twice is refused: whoever reads it could take either.

Query, form and JSON bodies alike. The API asks the OpenAPI document what takes several values
(`core.documented`), a page says so itself with `takes_many`; the console keeps Django's own ways.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse, QueryDict
from django.views import defaults

from core.api import error_body
from core.errors import InvalidInput

API = "/api/v1/"
SIGN_IN = "/api/v1/auth/"
CONSOLE = "/admin/"
MARK = "takes_many"
Pairs = list[tuple[str, Any]]
View = Callable[..., HttpResponseBase]


class RepeatedParameter(InvalidInput):
    """`detail.repeated` names what came more than once where one value is meant."""

    code = "repeated_parameter"


def once(pairs: Pairs) -> dict[str, Any]:
    """`object_pairs_hook` of `json.loads`. Raises RepeatedParameter."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise _refusal(name for name in found if names.count(name) > 1)
    return found


def refuse_repeats(given: QueryDict, many: Iterable[str] = ()) -> None:
    """Raise RepeatedParameter for names with several values that are not among `many`."""
    allowed = frozenset(many)
    repeated = [name for name, values in given.lists() if len(values) > 1 and name not in allowed]
    if repeated:
        raise _refusal(repeated)


def takes_many(*names: str) -> Callable[[View], View]:
    """Decorate a page whose query or form holds several values under these names."""

    def decorate(view: View) -> View:
        setattr(view, MARK, frozenset(names))
        return view

    return decorate


class RefuseRepeatsMiddleware:
    """The rule for pages and for allauth's API, once it is known which view is asked."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        path = request.path
        if path.startswith(CONSOLE) or (path.startswith(API) and not path.startswith(SIGN_IN)):
            return None
        many: frozenset[str] = getattr(view, MARK, frozenset())
        try:
            refuse_repeats(request.GET, many)
            if path.startswith(SIGN_IN):
                _refuse_repeated_keys(request)
            else:
                refuse_repeats(request.POST, many)
        except RepeatedParameter as error:
            return _answer(request, error)
        return None


def _refuse_repeated_keys(request: HttpRequest) -> None:
    """The body is JSON to allauth whatever it is called; what is none is left to it.

    Not read as a form first: of an upload nothing would be left to read.
    """
    try:
        json.loads(request.body, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return


def _answer(request: HttpRequest, error: RepeatedParameter) -> HttpResponseBase:
    if request.path.startswith(API):
        body = error_body(error.code, error.message, error.detail)
        return JsonResponse(body, status=error.status)
    page = defaults.bad_request(request, error)
    page.status_code = HTTPStatus.BAD_REQUEST
    return page


def _refusal(names: Iterable[str]) -> RepeatedParameter:
    shown = sorted(name[:60] for name in names)[:20]
    return RepeatedParameter("Something was given twice where one value is meant.", repeated=shown)
