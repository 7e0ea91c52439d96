"""The end of an organization: announced, stopped, carried out in steps."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.timezone import now

from core.errors import InvalidInput, NotFound
from orgs.access import Actor, require, system_actor
from orgs.actions.rows import note
from orgs.actions.teams import drop_team
from orgs.closing import erasures, grace
from orgs.errors import NotConfirmed, OrganizationClosing
from orgs.letters import tell_of_end
from orgs.models import (
    ApiKey,
    Invitation,
    Membership,
    Organization,
    SsoConnection,
    SupportAccess,
    Team,
)

STEP = 200
"""Rows one step takes away at most, so that no transaction grows with the organization."""


@transaction.atomic
def close_organization(*, actor: Actor, name: str, reason: str) -> Organization:
    """Announce the end: `ORGANIZATION_GRACE_DAYS` from now, unless somebody keeps it before.

    Until then everything works but that nobody joins and no key is made. `name` is typed as it
    stands. Raises NotConfirmed, OrganizationClosing.
    """
    require(actor, "org.close")
    organization = _locked(actor.organization_id)
    if name.strip() != organization.name:
        raise NotConfirmed("Type the organization's name as it stands.")
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    if organization.closing_at is not None:
        raise OrganizationClosing("This organization is being closed already.")
    organization.closing_at = now() + grace()
    organization.closed_by_id = actor.user_id
    organization.save(update_fields=["closing_at", "closed_by_id", "updated_at"])
    for invitation in Invitation.objects.of(organization.pk).open(now()):
        invitation.revoked_at = now()
        invitation.save(update_fields=["revoked_at", "updated_at"])
    at = organization.closing_at.isoformat()
    _note("orgs.organization.closing", actor, organization, at=at, reason=reason.strip()[:500])
    tell_of_end(organization, "closing", actor)
    return organization


@transaction.atomic
def keep_organization(*, actor: Actor) -> Organization:
    """Stop what `close_organization` announced. Repeating it changes nothing."""
    require(actor, "org.close")
    organization = _locked(actor.organization_id)
    if organization.closed_at is None and organization.closing_at is not None:
        organization.closing_at = organization.closed_by_id = None
        organization.save(update_fields=["closing_at", "closed_by_id", "updated_at"])
        _note("orgs.organization.kept", actor, organization)
        tell_of_end(organization, "kept", actor)
    return organization


def due_organizations(at: datetime) -> list[UUID]:
    """Whose grace has passed, or whose erasing was begun and not ended; longest due first."""
    rows = Organization.objects.filter(closing_at__lte=at).order_by("closing_at", "pk")
    return list(rows.values_list("pk", flat=True))


def close_due(organization_id: UUID) -> int:
    """One step of the end; how many rows it took away, 0 when the organization is gone.

    The first step shuts everybody out. Each is a transaction of its own and may be repeated: what
    was interrupted goes on where it stood.
    """
    if gone := _shut(organization_id):
        return gone
    for each in erasures():
        with transaction.atomic():
            if taken := each.erase(organization_id, STEP):
                return taken
    _finish(organization_id)
    return 0


@transaction.atomic
def _shut(organization_id: UUID) -> int:
    """Keys and memberships end together; the row says so from now on."""
    organization = _locked(organization_id)
    if organization.closed_at is not None:
        return 0
    if organization.closing_at is None or organization.closing_at > now():
        raise NotFound("This organization is not due.")  # kept at the last moment
    organization.closed_at = now()
    organization.save(update_fields=["closed_at", "updated_at"])
    _note("orgs.organization.closed", system_actor(organization_id), organization)
    ApiKey.objects.of(organization_id).filter(revoked_at=None).update(revoked_at=now())
    SsoConnection.objects.of(organization_id).update(enabled=False)  # it would let people in again
    SupportAccess.objects.of(organization_id).running(now()).update(ended_at=now())
    for team in Team.objects.of(organization_id).select_related("group"):
        drop_team(team)
    members, _ = Membership.objects.of(organization_id).delete()
    return members or 1


@transaction.atomic
def _finish(organization_id: UUID) -> None:
    """The tombstone: its ledger and its trail still have a name to point at, and nothing else."""
    organization = _locked(organization_id)
    if organization.closing_at is None:
        return
    organization.closing_at = None
    organization.cors_origins = []
    organization.save(update_fields=["closing_at", "cors_origins", "updated_at"])
    _note("orgs.organization.erased", system_actor(organization_id), organization)


def _locked(organization_id: UUID) -> Organization:
    return Organization.objects.select_for_update().get(pk=organization_id)


def _note(action: str, actor: Actor, organization: Organization, **told: Any) -> None:
    note(action, actor, "organization", organization, **told)
