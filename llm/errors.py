"""Reasons a model call, or the set-up of one, is refused."""

from http import HTTPStatus

from core.errors import DomainError


class ModelCallRefused(DomainError):
    """A model call that did not bring an answer. Nothing is held for it any more."""

    code = "model_call_refused"
    status = HTTPStatus.BAD_GATEWAY


class InvalidRequest(ModelCallRefused):
    """`detail.param` names the field where one is at fault."""

    code = "invalid_request"
    status = HTTPStatus.BAD_REQUEST


class ModelNotFound(ModelCallRefused):
    code = "model_not_found"
    status = HTTPStatus.NOT_FOUND


class ModelNotPriced(ModelCallRefused):
    """A model without a price cannot be paid for, so it cannot be called."""

    code = "model_not_priced"
    status = HTTPStatus.BAD_REQUEST


class InsufficientFunds(ModelCallRefused):
    """`detail`: `needed` and `available`, both nanos."""

    code = "insufficient_funds"
    status = HTTPStatus.PAYMENT_REQUIRED


class ReferenceInUse(ModelCallRefused):
    """`detail.reason`: other_request, in_progress or already_used."""

    code = "reference_in_use"
    status = HTTPStatus.CONFLICT


class UpstreamRefused(ModelCallRefused):
    """The provider's address is not one this installation calls."""

    code = "outgoing_refused"
    status = HTTPStatus.BAD_REQUEST


class UpstreamUnreachable(ModelCallRefused):
    code = "upstream_unreachable"


class UpstreamError(ModelCallRefused):
    """The provider said no. `detail`: its `status` and its own `error` object."""

    code = "upstream_error"


class StreamBroken(ModelCallRefused):
    """The answer was cut off; what had been delivered is paid for."""

    code = "stream_broken"


class ProviderInUse(DomainError):
    code = "provider_in_use"


class NameTaken(DomainError):
    code = "name_taken"


class ProviderCheckFailed(DomainError):
    """`detail.reason` says what the provider answered."""

    code = "provider_check_failed"
    status = HTTPStatus.BAD_GATEWAY
