"""One line in the log for whoever was refused: who asked for what, and why not.

The same line whatever the door: REST, pages and console by `orgs.denials`, `/v1` by the gateway.
It says it instead of Django's own warnings, which do not know who asked.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.views.csrf import csrf_failure

logger = logging.getLogger(__name__)

MARK = "_loomwork_denial"
DENIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
HIDDEN = "…"
SECRET_PARTS = frozenset({"secret", "key", "uidb36"})
"""Parts of an address that let in whoever knows them: links of invitations and resets."""


def note_denial(request: HttpRequest, code: str, reason: str = "") -> None:
    """Say why, where the answer itself will not: a page, or the way to somewhere else."""
    setattr(request, MARK, (code, reason))


def noted_denial(request: HttpRequest) -> tuple[str, str] | None:
    found: tuple[str, str] | None = getattr(request, MARK, None)
    return found


def is_denial(request: HttpRequest, status: int) -> bool:
    """Whether an answer of `status` refuses somebody.

    A 404 does where somebody known asked at an address of ours: that a thing is missing and that
    it is not theirs to know of are the same answer by design.
    """
    if status != HTTPStatus.NOT_FOUND:
        return status in DENIALS
    user = getattr(request, "user", None)
    return request.resolver_match is not None and user is not None and user.is_authenticated


def log_denial(
    *,
    status: int,
    code: str,
    method: str,
    path: str,
    ip: str | None,
    user: str = "",
    key: str = "",
    key_prefix: str = "",
    organization: str = "",
    reason: str = "",
) -> None:
    """`key_prefix` is the part of a token that people see; the trace id is added by the log."""
    who = {"user": user, "key": key, "key_prefix": key_prefix, "organization": organization}
    line = {"status": status, "code": code, "method": method, "path": path[:300], "ip": ip}
    line |= {name: value for name, value in (who | {"reason": reason}).items() if value}
    level = logging.INFO if status == HTTPStatus.NOT_FOUND else logging.WARNING
    logger.log(level, "Refused.", extra=line)


def path_of(request: HttpRequest) -> str:
    """The path, without what works as a password in it."""
    path = request.path
    match = request.resolver_match
    for name, value in (match.kwargs if match else {}).items():
        if name in SECRET_PARTS and value:
            path = path.replace(str(value), HIDDEN)
    return path


class NotTwice(logging.Filter):
    """Drops what Django says of a request that `log_denial` tells of."""

    def filter(self, record: logging.LogRecord) -> bool:
        request: Any = getattr(record, "request", None)
        status = getattr(record, "status_code", 0)
        return not (isinstance(request, HttpRequest) and is_denial(request, status))


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """`CSRF_FAILURE_VIEW`: Django's own answer, with its reason kept for the log."""
    note_denial(request, "csrf_failed", reason)
    return csrf_failure(request, reason=reason)
