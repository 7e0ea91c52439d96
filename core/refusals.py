"""Answers to requests that no view of ours has taken: JSON under `/api/`, a page elsewhere.

`config.urls` names these as Django's handlers, so that an unknown address, a broken request and an
error in a middleware look like every other refusal of the REST API.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults

from core.api import error_body, suspicion_of
from core.errors import DomainError

API = "/api/"
FORWARDED_SCHEME = b"x-forwarded-proto"
"""The header in `SECURE_PROXY_SSL_HEADER`, as ASGI names it."""


class HttpsRequired(DomainError):
    """A program that speaks plain HTTP is told so: led on silently, it would never be mended."""

    code = "https_required"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("Use https.")


def refuse_plain_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Where people come by https, programs do as well; pages are led there by Django."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if settings.HTTPS and request.path.startswith(API) and not request.is_secure():
            error = HttpsRequired()
            return JsonResponse(error_body(error.code, error.message), status=error.status)
        return get_response(request)

    return answer


def require_https(scheme: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """The same for a bare ASGI application, of its scope. Raises HttpsRequired.

    As Django does, believe the proxy's header before the connection: that ends at the proxy.
    """
    if settings.HTTPS:
        told = [value.decode("latin-1") for name, value in headers if name == FORWARDED_SCHEME]
        if (",".join(told).partition(",")[0].strip() if told else scheme) != "https":
            raise HttpsRequired


def limit_body_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Refuse a body by its announced length, before anybody reads it.

    Django itself counts only form fields: neither JSON nor an uploaded file has a limit there.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        length = request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > _limit(request):
            raise RequestDataTooBig("The request body is too large.")
        return get_response(request)

    return answer


def _limit(request: HttpRequest) -> int:
    if request.content_type == "multipart/form-data":
        return int(settings.MAX_UPLOAD_SIZE)
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    status, code, message = suspicion_of(exception)
    if request.path.startswith(API):
        return JsonResponse(error_body(code, message), status=status)
    page = defaults.bad_request(request, exception)
    page.status_code = status
    return page


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path.startswith(API):
        body = error_body("permission_denied", "You may not do this.")
        return JsonResponse(body, status=HTTPStatus.FORBIDDEN)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path.startswith(API):
        body = error_body("not_found", "There is nothing at this address.")
        return JsonResponse(body, status=HTTPStatus.NOT_FOUND)
    return defaults.page_not_found(request, exception)


def unserved(request: HttpRequest) -> HttpResponseBase:
    """Stands before an address of a package that this product does not offer."""
    raise Http404


def server_error(request: HttpRequest) -> HttpResponseBase:
    if request.path.startswith(API):
        body = error_body("internal_error", "Something went wrong on our side.")
        return JsonResponse(body, status=HTTPStatus.INTERNAL_SERVER_ERROR)
    return defaults.server_error(request)
