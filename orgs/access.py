"""The one answer to "may they?", for API, pages, admin and workers alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from accounts.errors import SecondFactorRequired
from core.errors import NotFound, PermissionRefused
from orgs.errors import NoOrganization
from orgs.keys import KeyInfo
from orgs.models import Membership, Role
from orgs.permissions import VERBS

SESSION_KEY = "organization_id"
HEADER = "X-Organization"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, in which organization, with what. Neither user nor key: the system itself."""

    organization_id: UUID
    role: str = ""
    user_id: UUID | None = None
    api_key_id: UUID | None = None
    scopes: frozenset[str] | None = None
    """None: everything the role allows; a key carries its scopes here and no role."""
    project_id: UUID | None = None
    """A key sees and makes things in its project alone; None for people."""
    support_id: UUID | None = None
    """The stay (`SupportAccess`) by which an operator is inside the organization."""

    @property
    def kind(self) -> str:
        if self.api_key_id:
            return "key"
        return "user" if self.user_id else "system"


def system_actor(organization_id: UUID) -> Actor:
    """The platform acting for an organization: a schedule, the engine, upkeep."""
    return Actor(organization_id=organization_id, role=Role.OWNER)


def operator_actor(organization_id: UUID, user_id: UUID | None) -> Actor:
    """An operator acting on an organization from the console: may everything, and is named."""
    return Actor(organization_id=organization_id, role=Role.OWNER, user_id=user_id)


def key_actor(info: KeyInfo) -> Actor:
    return Actor(
        organization_id=info.organization_id,
        api_key_id=info.key_id,
        scopes=info.scopes,
        project_id=info.project_id,
    )


def holds(actor: Actor, verb: str) -> bool:
    """Whether the actor may do `verb` everywhere in the organization. KeyError: no such verb."""
    roles = VERBS[verb]
    if actor.scopes is not None:
        return verb in actor.scopes
    return actor.role in roles


def can(actor: Actor, verb: str, obj: Any = None) -> bool:
    """Whether the actor may do `verb`, to `obj` where one is given.

    An object of another organization is never allowed. On an object that can be shared, a grant
    to the person is as good as the role.
    """
    if obj is not None and obj.organization_id != actor.organization_id:
        return False
    if holds(actor, verb):
        return True
    return obj is not None and _granted(actor, verb, obj)


def require(actor: Actor, verb: str, obj: Any = None) -> None:
    """Raise PermissionRefused (403), or NotFound (404) for what belongs to somebody else."""
    if obj is not None and obj.organization_id != actor.organization_id:
        raise NotFound("There is no such object.")
    if not can(actor, verb, obj):
        raise PermissionRefused("Your role does not allow this.", verb=verb)


def _granted(actor: Actor, verb: str, obj: Any) -> bool:
    # Late: guardian's models exist only once every app is loaded, and settings import this module.
    from orgs.grants import has_grant  # noqa: PLC0415

    return has_grant(actor, verb, obj)


def memberships_of(user_id: UUID | None) -> list[Membership]:
    """A person's organizations, oldest first: the first is where they land."""
    if user_id is None:
        return []
    rows = Membership.objects.filter(user_id=user_id).select_related("organization")
    return list(rows.order_by("created_at"))


def actor_of(request: HttpRequest | Any) -> Actor:
    """The actor behind a Django or DRF request, found once per request.

    Raises NoOrganization when the person belongs to none, or not to the one that is named, and
    SecondFactorRequired when the organization lets them in only with one.
    """
    plain: Any = getattr(request, "_request", request)
    info = getattr(request, "auth", None)
    if isinstance(info, KeyInfo):
        if request.headers.get(HEADER, str(info.organization_id)).lower() != str(
            info.organization_id
        ):
            raise NoOrganization("This key belongs to another organization.")
        return key_actor(info)
    known = getattr(plain, "_loomwork_actor", None)
    if known is None:
        known = _choose(request, memberships_of(request.user.pk))
        plain._loomwork_actor = known  # noqa: SLF001 - our own mark on the request
    return known


def _choose(request: Any, memberships: Iterable[Membership]) -> Actor:
    by_organization = {str(row.organization_id): row for row in memberships}
    named = request.headers.get(HEADER)
    if named and named.lower() not in by_organization:
        raise NoOrganization("You are not a member of this organization.")
    chosen = named or _session_choice(request)
    row = by_organization.get(str(chosen).lower()) or next(iter(by_organization.values()), None)
    if row is None:
        raise NoOrganization("You do not belong to any organization yet.")
    _require_factor(request, row)
    return Actor(organization_id=row.organization_id, role=row.role, user_id=row.user_id)


def _require_factor(request: Any, row: Membership) -> None:
    """Raise SecondFactorRequired where the organization asks for one and the person has none."""
    # Late: allauth's models exist only once every app is loaded, and settings import this module.
    from accounts.factors import request_has_factor  # noqa: PLC0415

    if row.organization.require_second_factor and not request_has_factor(request):
        raise SecondFactorRequired(
            "This organization asks for a second factor. Set one up in your account.",
            organization=str(row.organization_id),
        )


def _session_choice(request: Any) -> str | None:
    plain = getattr(request, "_request", request)
    session = getattr(plain, "session", None)
    return session.get(SESSION_KEY) if session is not None else None
