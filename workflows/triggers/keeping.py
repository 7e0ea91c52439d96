"""How long it is known what triggers did."""

from __future__ import annotations

from datetime import timedelta

from django.utils.timezone import now

from workflows.models import TriggerFiring

KEPT = timedelta(days=90)
BATCH = 5_000
ROUNDS = 20


def prune_firings() -> int:
    """Delete what is older, in bounded statements; how many rows went. What waits stays."""
    old = TriggerFiring.objects.filter(created_at__lt=now() - KEPT)
    old = old.exclude(outcome=TriggerFiring.Outcome.QUEUED).order_by("created_at")
    gone = 0
    for _round in range(ROUNDS):
        found = list(old.values_list("pk", flat=True)[:BATCH])
        gone += TriggerFiring.objects.filter(pk__in=found).delete()[0] if found else 0
        if len(found) < BATCH:
            break
    return gone
