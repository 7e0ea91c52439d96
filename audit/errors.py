"""Reasons the trail says no."""

from http import HTTPStatus

from core.errors import DomainError


class UnknownEvent(DomainError):
    """Code records what nobody registered: a slip of ours, never of a caller."""

    code = "unknown_event"
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, message: str, event: str) -> None:
        super().__init__(message, event=event)


class ChainBroken(DomainError):
    """The head of a chain is not the one that was signed; nothing is added to it."""

    code = "chain_broken"
    status = HTTPStatus.CONFLICT
