"""The one answer to "may they?", for API, pages, admin and workers alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from accounts.errors import SecondFactorRequired
from core.errors import NotFound, PermissionRefused
from orgs.actor import Actor, holds, opens_every_project
from orgs.errors import NoOrganization
from orgs.keys import KeyInfo
from orgs.models import Membership, Role, SupportAccess
from orgs.support import stay_of, support_actor
from orgs.visibility import VisibleQuerySet

__all__ = [
    "Actor",
    "actor_of",
    "allowed_on",
    "can",
    "holds",
    "key_actor",
    "memberships_of",
    "operator_actor",
    "require",
    "system_actor",
]

SESSION_KEY = "organization_id"
HEADER = "X-Organization"


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


def can(actor: Actor, verb: str, obj: Any = None) -> bool:
    """Whether the actor may do `verb`, to `obj` where one is given.

    About an object this is `obj in Thing.objects.visible_to(actor, verb)`, by that very query;
    there is none where the role settles it. What belongs to others is never allowed.
    """
    if obj is None:
        return holds(actor, verb)
    if not _ours(actor, obj):
        return False
    if holds(actor, verb) and (opens_every_project(actor) or _everywhere(obj)):
        return True
    rows = type(obj)._default_manager
    if not isinstance(rows.all(), VisibleQuerySet):
        return holds(actor, verb)
    return bool(rows.filter(pk=obj.pk).visible_to(actor, verb).exists())


def require(actor: Actor, verb: str, obj: Any = None) -> None:
    """Raise PermissionRefused (403), or NotFound (404) for what belongs to somebody else."""
    if obj is not None and not _ours(actor, obj):
        raise NotFound("There is no such object.")
    if not can(actor, verb, obj):
        raise PermissionRefused("Your role does not allow this.", verb=verb)


def allowed_on(actor: Actor, obj: Any, *verbs: str) -> dict[str, bool]:
    """`can` for several verbs: what a page needs to offer the right buttons."""
    return {verb: can(actor, verb, obj) for verb in verbs}


def _ours(actor: Actor, obj: Any) -> bool:
    """A row without an organization (a price for everybody) is nobody else's."""
    return obj.organization_id in {None, actor.organization_id}


def _everywhere(obj: Any) -> bool:
    """Whether the row belongs to the organization as a whole, not to one of its projects."""
    rows = type(obj)._default_manager.all()
    return isinstance(rows, VisibleQuerySet) and not rows.place.project


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
        known = _as_support(request) or _choose(request, memberships_of(request.user.pk))
        plain._loomwork_actor = known  # noqa: SLF001 - our own mark on the request
    return known


def _as_support(request: Any) -> Actor | None:
    """Inside as support, unless the request names another organization."""
    stay = stay_of(request)
    if stay is None:
        return None
    if request.headers.get(HEADER, "").lower() not in {"", str(stay.organization_id)}:
        return None
    _require_factor(request, stay)
    return support_actor(stay)


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


def _require_factor(request: Any, row: Membership | SupportAccess) -> None:
    """Raise SecondFactorRequired where one is asked for and the person has none.

    The organization asks, or the installation does; a person behind a key is never asked.
    """
    # Late: allauth's models exist only once every app is loaded, and settings import this module.
    from accounts.factors import factor_demanded, request_has_factor  # noqa: PLC0415
    from accounts.reauthentication import session_behind  # noqa: PLC0415
    from accounts.sso.sessions import factor_vouched_for  # noqa: PLC0415

    asked = row.organization.require_second_factor
    if not (asked or factor_demanded(request.user)) or request_has_factor(request):
        return
    if not factor_vouched_for(session_behind(request), row.organization_id):
        by_it = "This organization asks for a second factor. Set one up in your account."
        by_us = "A second factor is asked of you here. Set one up in your account."
        raise SecondFactorRequired(by_it if asked else by_us, organization=str(row.organization_id))


def _session_choice(request: Any) -> str | None:
    plain = getattr(request, "_request", request)
    session = getattr(plain, "session", None)
    return session.get(SESSION_KEY) if session is not None else None
