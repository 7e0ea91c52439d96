"""The one error type that crosses layers, and the refusals every room shares."""

from http import HTTPStatus
from typing import Any, ClassVar


class DomainError(Exception):
    """A rule said no. `code` is public API: never rename it.

    `detail` holds JSON-safe values only; it is shown to API clients and logged.
    """

    code: ClassVar[str] = "domain_error"
    status: ClassVar[HTTPStatus] = HTTPStatus.CONFLICT

    def __init__(self, message: str, **detail: Any) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says beside its body: `detail.retry_after` is a number of seconds."""
        wait = self.detail.get("retry_after")
        return {} if wait is None else {"Retry-After": str(wait)}


class NotFound(DomainError):
    """No such thing, or not yours to know of."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND


class PermissionRefused(DomainError):
    code = "permission_denied"
    status = HTTPStatus.FORBIDDEN


class InvalidInput(DomainError):
    code = "invalid_input"
    status = HTTPStatus.BAD_REQUEST


class Conflict(DomainError):
    code = "conflict"


class IdempotencyMismatch(DomainError):
    """The `Idempotency-Key` was used before for another request."""

    code = "idempotency_mismatch"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
