"""Founding organizations and changing what is said of them."""

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts.models import User
from core.errors import InvalidInput
from core.ids import uuid7
from orgs.access import Actor, require
from orgs.actions.projects import create_default_project
from orgs.actions.rows import note
from orgs.errors import TooManyOrganizations
from orgs.models import Membership, Organization, Role

MAX_OWNED = 20
"""How many organizations one person can own: each can send invitations."""
SETTINGS = frozenset({"name", "require_second_factor"})
"""Origins and retention have actions of their own."""


@transaction.atomic
def found_organization(*, user_id: UUID, name: str) -> Organization:
    """A new organization with `user_id` as its owner."""
    name = _named(name)
    if Membership.objects.filter(user_id=user_id, role=Role.OWNER).count() >= MAX_OWNED:
        raise TooManyOrganizations("You own as many organizations as one can.", limit=MAX_OWNED)
    organization = _create_organization(name)
    Membership.objects.create(organization=organization, user_id=user_id, role=Role.OWNER)
    create_default_project(organization.pk, user_id)
    actor = Actor(organization_id=organization.pk, role=Role.OWNER, user_id=user_id)
    _note("orgs.organization.founded", actor, organization)
    return organization


def _create_organization(name: str) -> Organization:
    """Under its plain short name where that is free; asking first would be overtaken."""
    slug = slugify(name)[:48] or "org"
    try:
        with transaction.atomic():
            return Organization.objects.create(name=name, slug=slug)
    except IntegrityError:
        return Organization.objects.create(name=name, slug=f"{slug}-{uuid7().hex[-8:]}")


def found_at_signup(user: User, organization_name: str | None) -> None:
    """Whoever signs up gets an organization of their own at once, unless they were invited."""
    if organization_name is None:
        return
    found_organization(
        user_id=user.pk, name=organization_name or f"{user.get_full_name()}'s organization"
    )


@transaction.atomic
def update_organization(*, actor: Actor, **changes: Any) -> Organization:
    """Change some of `SETTINGS`; what is not named stays. Writes nothing when nothing changes."""
    require(actor, "org.manage")
    if unknown := sorted(set(changes) - SETTINGS):
        raise InvalidInput("These cannot be set here.", unknown=unknown)
    if "name" in changes:
        changes["name"] = _named(changes["name"])
    organization = Organization.objects.select_for_update().get(pk=actor.organization_id)
    before = {name: getattr(organization, name) for name in changes}
    changed = {name: value for name, value in changes.items() if before[name] != value}
    if changed:
        for name, value in changed.items():
            setattr(organization, name, value)
        organization.save(update_fields=[*changed, "updated_at"])
        said = {name: before[name] for name in changed}
        _note("orgs.organization.changed", actor, organization, before=said, after=changed)
    return organization


def rename_organization(*, actor: Actor, name: str) -> Organization:
    return update_organization(actor=actor, name=name)


def _named(name: str) -> str:
    if not name.strip():
        raise InvalidInput("An organization needs a name.")
    return name.strip()[:120]


def _note(action: str, actor: Actor, organization: Organization, **more: Any) -> None:
    note(action, actor, "organization", organization, **more)
