"""DRF glue shared by every app: one error body, whatever went wrong and wherever."""

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler
from rest_framework.views import set_rollback

from core.errors import DomainError
from core.jsonsafe import clean
from core.trace import current_trace_id

logger = logging.getLogger(__name__)

_CODES = {
    exceptions.ValidationError: "invalid_input",
    exceptions.ParseError: "malformed_body",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "authentication_failed",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.Throttled: "rate_limited",
}


def error_body(code: str, message: str, detail: Any = None) -> dict[str, Any]:
    """`{"code", "message", "detail", "trace_id"}`: the one error shape of the REST API."""
    return {
        "code": code,
        "message": message,
        "detail": clean(detail or {}),  # it may repeat what was sent
        "trace_id": current_trace_id(),
    }


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(exc, DomainError):
        set_rollback()
        body = error_body(exc.code, str(exc.message), exc.detail)
        return Response(body, status=exc.status, headers=exc.headers)
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    elif isinstance(exc, SuspiciousOperation):
        set_rollback()
        status, code, message = suspicion_of(exc)
        return Response(error_body(code, message), status=status)
    response = drf_exception_handler(exc, context)
    if response is not None and isinstance(exc, exceptions.APIException):
        response.data = error_body(_code_of(exc), _message_of(exc), _detail_of(exc))
        return response
    logger.error("Unhandled error in %s", type(context.get("view")).__name__, exc_info=exc)
    set_rollback()
    body = error_body("internal_error", "Something went wrong on our side.")
    return Response(body, status=HTTPStatus.INTERNAL_SERVER_ERROR)


def suspicion_of(exc: Exception) -> tuple[HTTPStatus, str, str]:
    """Status, code and message for a request that Django itself will not read."""
    if isinstance(exc, RequestDataTooBig):
        status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request_too_large"
        return status, code, "The request body is too large."
    return HTTPStatus.BAD_REQUEST, "bad_request", "This request cannot be read."


def _code_of(exc: exceptions.APIException) -> str:
    return next((code for kind, code in _CODES.items() if isinstance(exc, kind)), "error")


def _message_of(exc: exceptions.APIException) -> str:
    if isinstance(exc, exceptions.ValidationError):
        return "The input is not valid."
    return str(exc.detail)


def _detail_of(exc: exceptions.APIException) -> Any:
    if not isinstance(exc, exceptions.ValidationError):
        return {}
    if isinstance(exc.detail, dict):
        return {"fields": exc.detail}
    return {"errors": exc.detail}
