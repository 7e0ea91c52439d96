"""Reasons orgs says no."""

from http import HTTPStatus

from core.errors import Conflict, DomainError, InvalidInput, PermissionRefused


class LastOwner(Conflict):
    """An organization always keeps somebody who can manage it."""

    code = "last_owner"


class AlreadyMember(Conflict):
    code = "already_member"


class RoleAboveYours(PermissionRefused):
    """Nobody hands out a role that may do what they may not."""

    code = "role_above_yours"


class UnknownScope(InvalidInput):
    code = "unknown_scope"


class NoOrganization(DomainError):
    """The user belongs to no organization, or not to the one the request names."""

    code = "no_organization"
    status = HTTPStatus.FORBIDDEN


class IdempotencyInProgress(Conflict):
    """A request with this `Idempotency-Key` is under way; ask again shortly."""

    code = "idempotency_in_progress"
