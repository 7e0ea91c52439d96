"""Founding and renaming organizations."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts.models import User
from audit.actions import record
from core.errors import InvalidInput
from core.ids import uuid7
from orgs.access import Actor, require
from orgs.actions.projects import create_default_project
from orgs.models import Membership, Organization, Role


@transaction.atomic
def found_organization(*, user_id: UUID, name: str) -> Organization:
    """A new organization with `user_id` as its owner."""
    name = name.strip()
    if not name:
        raise InvalidInput("An organization needs a name.")
    organization = _create_organization(name[:120])
    Membership.objects.create(organization=organization, user_id=user_id, role=Role.OWNER)
    create_default_project(organization.pk, user_id)
    actor = Actor(organization_id=organization.pk, role=Role.OWNER, user_id=user_id)
    record(
        "orgs.organization.founded",
        actor=actor,
        target_type="organization",
        target_id=organization.pk,
        summary=organization.name,
    )
    return organization


def _create_organization(name: str) -> Organization:
    """Under its plain short name where that is free; asking first would be overtaken."""
    slug = slugify(name)[:48] or "org"
    try:
        with transaction.atomic():
            return Organization.objects.create(name=name, slug=slug)
    except IntegrityError:
        return Organization.objects.create(name=name, slug=f"{slug}-{uuid7().hex[-8:]}")


def found_at_signup(user: User, organization_name: str) -> None:
    """Whoever signs up gets an organization of their own at once."""
    found_organization(
        user_id=user.pk, name=organization_name or f"{user.get_full_name()}'s organization"
    )


@transaction.atomic
def rename_organization(*, actor: Actor, name: str) -> Organization:
    require(actor, "org.manage")
    name = name.strip()
    if not name:
        raise InvalidInput("An organization needs a name.")
    organization = Organization.objects.select_for_update().get(pk=actor.organization_id)
    before, organization.name = organization.name, name[:120]
    organization.save(update_fields=["name"])
    record(
        "orgs.organization.renamed",
        actor=actor,
        target_type="organization",
        target_id=organization.pk,
        before={"name": before},
        after={"name": organization.name},
    )
    return organization
