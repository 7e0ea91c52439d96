"""Scheduled upkeep. A task only finds ids and calls an action for each."""

from contextlib import suppress

from celery import shared_task
from django.utils.timezone import now

from billing.actions import release_hold
from billing.errors import HoldNotOpen
from billing.models import Hold
from orgs.access import system_actor


@shared_task(acks_late=True)
def settle_overdue_holds(limit: int = 500) -> int:
    """Release holds whose process is long gone; returns how many. Safe to run twice at once."""
    released = 0
    overdue = Hold.objects.overdue(now()).order_by("expires_at")
    rows = overdue.values_list("pk", "wallet__organization_id")[:limit]
    for hold_id, organization_id in rows:
        with suppress(HoldNotOpen):
            release_hold(
                actor=system_actor(organization_id),
                hold_id=hold_id,
                reason="never settled: its process is gone",
            )
            released += 1
    return released
