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


class InvalidAddressList(InvalidInput):
    """Neither addresses nor networks, or too many of them."""

    code = "invalid_address"


class KeyAddressRefused(PermissionRefused):
    """The key is right, but its list does not hold the caller's address."""

    code = "key_address_refused"


class KeyNotLive(Conflict):
    """A key that is revoked or expired is never brought back."""

    code = "key_not_live"


class KeyAlreadyRotated(Conflict):
    """Another key follows this one already; rotate that."""

    code = "key_already_rotated"


class NoOrganization(DomainError):
    """The user belongs to no organization, or not to the one the request names."""

    code = "no_organization"
    status = HTTPStatus.FORBIDDEN


class SsoDomainTaken(Conflict):
    """Somebody else has proven this domain."""

    code = "sso_domain_taken"


class SsoDomainUnproven(Conflict):
    """The proof was not found, or nothing is proven where something has to be."""

    code = "sso_domain_unproven"


class SsoProviderUnfit(DomainError):
    """The identity provider does not answer as OpenID Connect Discovery asks."""

    code = "sso_provider_unfit"
    status = HTTPStatus.BAD_GATEWAY


class InvitationPending(Conflict):
    """This address has an open invitation; it can be sent again."""

    code = "invitation_pending"


class InvitationClosed(Conflict):
    """Accepted, declined, revoked or expired; `detail.state` says which."""

    code = "invitation_closed"


class InvitationForAnother(PermissionRefused):
    """Sent to an address that is not known to be the caller's."""

    code = "invitation_for_another"


class TooManyInvitations(DomainError):
    """`detail.retry_after`: seconds until another may be sent."""

    code = "too_many_invitations"
    status = HTTPStatus.TOO_MANY_REQUESTS


class TooManyOrganizations(Conflict):
    code = "too_many_organizations"


class NameTaken(Conflict):
    code = "name_taken"


class ProjectArchived(Conflict):
    """Nothing new comes into an archived project, and nothing new starts in it."""

    code = "project_archived"


class ProjectNotEmpty(Conflict):
    """`detail.holds` says what is in it, by kind."""

    code = "project_not_empty"


class DefaultProject(Conflict):
    """The default project stays."""

    code = "default_project"


class OrganizationClosing(Conflict):
    """It will be deleted: nobody new joins, and no key is made any more."""

    code = "organization_closing"


class NotConfirmed(InvalidInput):
    """The name was not typed as it stands."""

    code = "not_confirmed"


class IdempotencyInProgress(Conflict):
    """A request with this `Idempotency-Key` is under way; ask again shortly."""

    code = "idempotency_in_progress"
