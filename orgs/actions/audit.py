"""How long the audit trail is kept, and dropping what is older."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils.timezone import now

from audit.actions import record
from audit.sealing import prune_entries
from core.errors import InvalidInput
from orgs.access import Actor, require, system_actor
from orgs.models import Organization

SHORTEST, LONGEST = 30, 36_500
"""Days. Who could set less could do harm and have its trace gone before anybody looks."""


@transaction.atomic
def set_audit_retention(*, actor: Actor, days: int | None) -> Organization:
    """Keep the trail for `days`, or for ever (None). Entries go with the next hourly pass."""
    require(actor, "org.manage")
    if days is not None and not SHORTEST <= days <= LONGEST:
        raise InvalidInput(
            "The trail is kept for at least 30 days.", field="days", least=SHORTEST, most=LONGEST
        )
    organization = Organization.objects.select_for_update().get(pk=actor.organization_id)
    before, organization.audit_retention_days = organization.audit_retention_days, days
    if before == days:
        return organization
    organization.save(update_fields=["audit_retention_days", "updated_at"])
    record(
        "orgs.audit.retention_changed",
        actor=actor,
        target_type="organization",
        target_id=organization.pk,
        summary=organization.name,
        before={"days": before},
        after={"days": days},
    )
    return organization


def prune_trail(organization: Organization, *, portions: int = 50) -> int:
    """Drop what is older than the organization keeps; returns how many entries."""
    if organization.audit_retention_days is None:
        return 0
    actor = system_actor(organization.pk)
    before = now() - timedelta(days=organization.audit_retention_days)
    dropped = 0
    for _ in range(portions):
        found = prune_entries(actor=actor, before=before)
        dropped += found
        if not found:
            break
    return dropped
