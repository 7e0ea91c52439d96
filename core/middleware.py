"""The middlewares of ours. None rebinds `request.user`."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from core.origin import bind_origin, origin_of, unbind_origin
from core.rates import headers_of
from core.trace import bind_trace_id, trace_id_from, traceparent_of, unbind_trace_id


class TraceMiddleware:
    """Gives every request a trace id, tells the caller which, and notes where it came from."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._async:
            return self._answer_async(request)
        tokens, trace_id = self._bind(request)
        try:
            return self._stamp(self.get_response(request), trace_id)
        finally:
            self._unbind(tokens)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        tokens, trace_id = self._bind(request)
        try:
            return self._stamp(await self.get_response(request), trace_id)
        finally:
            self._unbind(tokens)

    @staticmethod
    def _bind(request: HttpRequest) -> tuple[tuple[Any, Any], str]:
        trace_id = trace_id_from({name.lower(): value for name, value in request.headers.items()})
        return (bind_trace_id(trace_id), bind_origin(origin_of(request))), trace_id

    @staticmethod
    def _unbind(tokens: tuple[Any, Any]) -> None:
        unbind_trace_id(tokens[0])
        unbind_origin(tokens[1])

    @staticmethod
    def _stamp(response: HttpResponseBase, trace_id: str) -> HttpResponseBase:
        response.headers["X-Request-ID"] = trace_id
        response.headers["traceparent"] = traceparent_of(trace_id)
        return response


def admin_csp_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Relax the strict policy under /admin/ alone, by what Unfold cannot do without.

    Alpine compiles the expressions of its attributes (no inline script runs), and its templates
    carry styles of their own.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path.startswith("/admin/"):
            relaxed = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
            response._csp_replace = relaxed  # type: ignore[attr-defined]  # noqa: SLF001 - django-csp's own channel
        return response

    return answer


CREDENTIALS = ("Authorization", "X-Api-Key")
SIGN_OUTS = {"account_logout", "admin:logout"}
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def privacy_headers_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Keep what somebody was shown out of caches and other sites, and forget it at sign-out.

    Whoever sent a credential may have been shown something of their own: asking for the person
    would cost a query. `Clear-Site-Data` leaves cookies alone, for the one that knows the device
    is meant to outlive the session.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        known = settings.SESSION_COOKIE_NAME in request.COOKIES or any(
            name in request.headers for name in CREDENTIALS
        )
        opened = settings.SESSION_COOKIE_NAME in response.cookies
        if known or opened:
            response.headers.setdefault("Cache-Control", "no-store")
        match = request.resolver_match
        if request.method == "POST" and match is not None and match.view_name in SIGN_OUTS:
            response.headers["Clear-Site-Data"] = '"cache"'
        return response

    return answer


RATE_MARK = "_loomwork_rate"
"""Where a request carries the verdict of its rate limit (see `orgs.api.rates`)."""


def rate_headers_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Tell whoever was counted how much is left, refused or not."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if (verdict := getattr(request, RATE_MARK, None)) is not None:
            for name, value in headers_of(verdict).items():
                response.headers[name] = value
        return response

    return answer
