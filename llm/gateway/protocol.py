"""OpenAI's way to say no: `{"error": {"message", "type", "param", "code", "trace_id"}}`.

`trace_id` is ours; everything else is what the official clients read. Where money is missing the
answer is 402 with type and code `insufficient_quota` (OpenAI says 429 with the same code, which its
clients would retry).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.conf import settings

from core.errors import DomainError, PermissionRefused
from core.refusals import HttpsRequired
from llm.errors import (
    InsufficientFunds,
    InvalidRequest,
    ModelNotFound,
    ModelNotPriced,
    ReferenceInUse,
    UpstreamError,
)
from llm.gateway.authenticate import KeyRefused
from orgs.errors import KeyAddressRefused

INVALID = "invalid_request_error"
_TYPES: dict[type[DomainError], tuple[int, str, str]] = {
    KeyRefused: (401, INVALID, "invalid_api_key"),
    KeyAddressRefused: (403, "permission_error", "key_address_refused"),
    PermissionRefused: (403, "permission_error", "insufficient_permissions"),
    HttpsRequired: (403, INVALID, "https_required"),
    InsufficientFunds: (402, "insufficient_quota", "insufficient_quota"),
    InvalidRequest: (400, INVALID, "invalid_request"),
    ModelNotFound: (404, INVALID, "model_not_found"),
    ModelNotPriced: (400, INVALID, "model_not_priced"),
    ReferenceInUse: (409, INVALID, "reference_in_use"),
}
"""Status, type and code; what is not named here is the server's fault."""

_NO_RETRY = {402, 409}
_OWN_FAULT = {401, 402, 403, 407}
"""What a provider says about our credentials is not the client's doing."""


_GUARDING = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def guarding() -> dict[str, str]:
    """What Django's middleware tells browsers on every other answer."""
    if not (seconds := settings.SECURE_HSTS_SECONDS):
        return _GUARDING
    lasting = f"max-age={seconds}; includeSubDomains; preload"
    return {**_GUARDING, "strict-transport-security": lasting}


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def refusal(error: DomainError, trace_id: str) -> Refusal:
    if isinstance(error, UpstreamError):
        return _passed_on(error, trace_id)
    kind = INVALID if error.status < 500 else "server_error"
    status, kind, code = _TYPES.get(type(error), (int(error.status), kind, error.code))
    body = error_object(error.message, kind, code, trace_id, error.detail.get("param"))
    headers = {"x-should-retry": "false"} if status in _NO_RETRY else {}
    return Refusal(status, encode(body), headers)


def _passed_on(error: UpstreamError, trace_id: str) -> Refusal:
    """The provider's own status and words, but never its view of our key."""
    status, theirs = int(error.detail["status"]), error.detail["error"]
    if status in _OWN_FAULT or not 400 <= status <= 599:
        body = error_object(
            "The provider did not accept the call.", "server_error", error.code, trace_id
        )
        return Refusal(HTTPStatus.BAD_GATEWAY, encode(body))
    kind = theirs.get("type") or (INVALID if status < 500 else "server_error")
    body = error_object(
        error.message, str(kind), theirs.get("code") or error.code, trace_id, theirs.get("param")
    )
    return Refusal(status, encode(body), error.detail.get("headers") or {})


def error_object(
    message: str, kind: str, code: object, trace_id: str, param: object = None
) -> dict[str, Any]:
    return {
        "error": {
            "message": message,
            "type": kind,
            "param": param,
            "code": code,
            "trace_id": trace_id,
        }
    }


def encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
