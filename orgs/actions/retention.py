"""How long an organization keeps its runs. The room of workflows deletes them."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from audit.actions import record
from core.errors import InvalidInput
from orgs.access import Actor, require
from orgs.models import Organization

SHORTEST, LONGEST = 1, 36_500
"""Days. A day at least: a run is looked at after it ended, not only while it works."""


@transaction.atomic
def set_run_retention(*, actor: Actor, days: int | None) -> Organization:
    """Keep finished runs for `days`, or for ever (None). Older ones go within minutes, for good."""
    require(actor, "org.manage")
    if days is not None and not SHORTEST <= days <= LONGEST:
        raise InvalidInput(
            _("Runs are kept for at least one day."), field="days", least=SHORTEST, most=LONGEST
        )
    organization = Organization.objects.select_for_update().get(pk=actor.organization_id)
    before, organization.run_retention_days = organization.run_retention_days, days
    if before == days:
        return organization
    organization.save(update_fields=["run_retention_days", "updated_at"])
    record(
        "orgs.runs.retention_changed",
        actor=actor,
        target_type="organization",
        target_id=organization.pk,
        summary=organization.name,
        before={"days": before},
        after={"days": days},
    )
    return organization
