"""Headers of every answer: what browsers may keep, share and forget (ASVS 3.4, 14.3)."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from core.api import error_body
from core.errors import DomainError

ECHOING = frozenset({"TRACE", "TRACK"})
API, STATIC = "/api/", "/static/"
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class MethodNotAllowed(DomainError):
    code = "method_not_allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED


class HttpsRequired(DomainError):
    """A program that speaks plain HTTP is told so: led on silently, it would never be mended."""

    code = "https_required"
    status = HTTPStatus.FORBIDDEN


def security_headers_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """What Django's own security middleware does not set.

    Answers are nobody's to keep unless a view says otherwise. Scripts of an organization's own
    origins may read the API (`orgs.cors` decides), so only pages refuse to be embedded elsewhere.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.method in ECHOING:
            return _refused(MethodNotAllowed("Nothing is echoed."))
        if _plain_where_it_must_not_be(request):
            return _refused(HttpsRequired("Use https."))
        response = get_response(request)
        path = request.path
        if not path.startswith(STATIC):
            response.headers.setdefault("Cache-Control", "no-store")
        if not path.startswith(API):
            response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        if _signed_out(request, response):
            response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response

    return answer


def _plain_where_it_must_not_be(request: HttpRequest) -> bool:
    return settings.HTTPS and request.path.startswith(API) and not request.is_secure()


def _refused(error: DomainError) -> HttpResponseBase:
    return JsonResponse(error_body(error.code, error.message), status=error.status)


def _signed_out(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Whether somebody came with a session and leaves with another one, or none, as nobody."""
    name = settings.SESSION_COOKIE_NAME
    sent, morsel = request.COOKIES.get(name), response.cookies.get(name)
    changed = sent is not None and morsel is not None and morsel.value != sent
    return changed and not request.user.is_authenticated
