"""Reasons billing says no."""

from http import HTTPStatus

from core.errors import DomainError


class InsufficientFunds(DomainError):
    """`detail`: `needed` and `available`, both nanos."""

    code = "insufficient_funds"
    status = HTTPStatus.PAYMENT_REQUIRED


class HoldNotOpen(DomainError):
    code = "hold_not_open"


class ReferenceUsed(DomainError):
    """The reference already names another movement of this wallet."""

    code = "reference_used"


class RefundTooLarge(DomainError):
    """`detail`: `refundable`, nanos still refundable of the capture."""

    code = "refund_too_large"


class PriceTaken(DomainError):
    code = "price_taken"
