"""Mail to a key's maker, once, a week before the key ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.timezone import now
from django.utils.translation import gettext

from audit.actions import record
from orgs.access import system_actor
from orgs.mail import one_line
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
    """Write to the maker; false when another process did. A mail that fails is tried again."""
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
    )
    _write(key, maker)
    return True


def _write(key: ApiKey, maker: Any) -> None:
    with translation.override(getattr(maker, "language", "") or settings.LANGUAGE_CODE):
        context = {
            "key": key,
            "name": maker.get_short_name(),
            "url": settings.PUBLIC_URL + reverse("api_key", args=[key.pk]),
        }
        send_mail(
            one_line(gettext("Your API key “%s” expires soon") % key.name),
            render_to_string("orgs/mail/key_expires.txt", context),
            None,
            [maker.email],
        )
