"""How a code node can fail."""

from http import HTTPStatus
from typing import Any

from core.errors import DomainError


class CodeFailed(DomainError):
    """The author's code raised, answered something unusable or was stopped at a limit.

    `type` is the exception's name or one of the sandbox's own: MainMissing, ResultNotObject,
    ResultNotJSON, ResultTooLarge, Crashed, BrokenAnswer. `line` counts in the author's text.
    """

    code = "code_failed"
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(
        self,
        message: str,
        type: str = "Error",  # noqa: A002 - the name it has in `detail`
        line: int | None = None,
        **detail: Any,
    ) -> None:
        super().__init__(message, type=type, line=line, **detail)
        self.type = type
        self.line = line


class CodeTimeout(CodeFailed):
    code = "code_timeout"
    status = HTTPStatus.GATEWAY_TIMEOUT


class LanguageUnavailable(CodeFailed):
    """This machine has no interpreter for the language."""

    code = "language_unavailable"
    status = HTTPStatus.NOT_IMPLEMENTED


class SandboxUnavailable(CodeFailed):
    """Code cannot be confined here as the operator demands, so none is run."""

    code = "sandbox_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
