"""Why a call to the outside world failed."""

from http import HTTPStatus

from core.errors import DomainError


class OutgoingError(DomainError):
    """A call to another server did not bring a complete answer."""

    code = "outgoing_failed"
    status = HTTPStatus.BAD_GATEWAY


class OutgoingRefused(OutgoingError):
    """The address is one this installation does not call."""

    code = "outgoing_refused"
    status = HTTPStatus.BAD_REQUEST


class OutgoingUnreachable(OutgoingError):
    code = "outgoing_unreachable"


class OutgoingTimeout(OutgoingError):
    code = "outgoing_timeout"
    status = HTTPStatus.GATEWAY_TIMEOUT


class OutgoingTooLarge(OutgoingError):
    code = "outgoing_too_large"
