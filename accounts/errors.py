"""Reasons accounts says no."""

from http import HTTPStatus

from core.errors import DomainError, InvalidInput


class ReauthenticationRequired(DomainError):
    """The person signed in too long ago for this: confirm the password or a factor, try again."""

    code = "reauthentication_required"
    status = HTTPStatus.FORBIDDEN


class SecondFactorRequired(DomainError):
    """The organization or the installation lets only people with a second factor in."""

    code = "second_factor_required"
    status = HTTPStatus.FORBIDDEN


class FactorsNotReset(DomainError):
    """This operator may not reset this person's factors, or there is nothing to reset."""

    code = "factors_not_reset"
    status = HTTPStatus.CONFLICT


class PersonRequired(DomainError):
    """An account belongs to a person; a key has none."""

    code = "person_required"
    status = HTTPStatus.FORBIDDEN


class UnknownNotification(InvalidInput):
    code = "unknown_notification"
