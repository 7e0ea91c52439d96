"""The log line of a refusal at Django's doors: REST, pages and console."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from core.denials import is_denial, log_denial, noted_denial, path_of
from core.origin import current_ip
from orgs.cors import MARK
from orgs.keys import KeyInfo
from orgs.tokens import prefix_of

_CODES = {
    HTTPStatus.UNAUTHORIZED: "not_authenticated",
    HTTPStatus.FORBIDDEN: "permission_denied",
    HTTPStatus.NOT_FOUND: "not_found",
}


def log_denials_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Stands right within `TraceMiddleware`: whatever refuses, it sees the answer."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if noted_denial(request) or is_denial(request, response.status_code):
            _log(request, response)
        return response

    return answer


def _log(request: HttpRequest, response: HttpResponseBase) -> None:
    code, reason = noted_denial(request) or (_code_of(response), "")
    log_denial(
        status=response.status_code,
        code=code,
        reason=reason,
        method=str(request.method),
        path=path_of(request),
        ip=current_ip(),
        **_who(request),
    )


def _code_of(response: HttpResponseBase) -> str:
    """What the body says: DRF's data, or the JSON of an answer that is none of DRF's."""
    body: Any = getattr(response, "data", None)
    kind = response.headers.get("Content-Type", "")
    if body is None and kind.startswith("application/json") and not response.streaming:
        body = json.loads(response.content)  # type: ignore[attr-defined]  # it does not stream
    told = body.get("code") if isinstance(body, Mapping) else None
    return str(told or _CODES.get(HTTPStatus(response.status_code), "refused"))


def _who(request: HttpRequest) -> dict[str, str]:
    """Ids alone, as far as they are known: a wrong credential names nobody."""
    user = getattr(request, "user", None)
    known = user is not None and user.is_authenticated
    info = getattr(request, "auth", None)
    actor = getattr(request, "_loomwork_actor", None)
    found = {
        "user": user.pk if known and user is not None else None,
        "key": info.key_id if isinstance(info, KeyInfo) else None,
        "key_prefix": prefix_in(request.headers),
        "organization": info.organization_id
        if isinstance(info, KeyInfo)
        else getattr(actor, "organization_id", None) or getattr(request, MARK, None),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def prefix_in(headers: Mapping[str, str]) -> str | None:
    """The visible part of the key that was sent, right or wrong."""
    _scheme, _, token = headers.get("Authorization", "").partition(" ")
    return prefix_of(token.strip()) or prefix_of(headers.get("X-API-Key", ""))
