"""Mail to a key's maker, once, a week before the key ends."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils.timezone import now

from audit.actions import record
from orgs.access import system_actor
from orgs.letters import tell_maker
from orgs.models import ApiKey

AHEAD = timedelta(days=7)


def keys_to_remind_of(limit: int) -> list[UUID]:
    """Live keys that end within a week and that nobody was told of.

    Not those being replaced, nor those that were made for a week or less.
    """
    at = now()
    follower = ApiKey.objects.filter(rotated_from=OuterRef("pk"), revoked_at=None)
    rows = ApiKey.objects.live(at).filter(
        ~Exists(follower),
        reminded_at=None,
        expires_at__lte=at + AHEAD,
        created_at__lt=F("expires_at") - AHEAD,
        created_by_id__isnull=False,
    )
    return list(rows.order_by("expires_at").values_list("pk", flat=True)[:limit])


@transaction.atomic
def remind_of_key(*, key_id: UUID) -> bool:
    """Write to the maker; false when another process did."""
    rows = ApiKey.objects.live(now()).filter(pk=key_id, reminded_at=None)
    key = rows.select_for_update(skip_locked=True, of=("self",)).first()
    maker = get_user_model().objects.filter(pk=key.created_by_id).first() if key else None
    if key is None or maker is None:
        return False
    key.reminded_at = now()
    key.save(update_fields=["reminded_at"])
    record(
        "orgs.key.reminded",
        actor=system_actor(key.organization_id),
        target_type="api_key",
        target_id=key.pk,
        summary=str(key),
        data={"user": str(maker.pk)},
        project_id=key.project_id,
    )
    tell_maker(key, maker.pk)
    return True
