"""Who asked for work in the background, with the rights of now."""

from __future__ import annotations

from typing import Any

from django.utils.timezone import now

from orgs.actor import Actor
from orgs.models import ApiKey, Membership, SupportAccess


def returning_actor(row: Any) -> Actor | None:
    """The actor a row was made by; None when they have no rights left.

    `row` has `organization_id`, `user_id`, `api_key_id`, `support_id` and `role` as the actor had
    them. With a role alone it was the platform itself.
    """
    organization_id = row.organization_id
    if row.api_key_id is not None:
        return _key(row)
    if row.support_id is not None:
        stays = SupportAccess.objects.of(organization_id).running(now())
        if stays.filter(pk=row.support_id, operator__is_active=True).exists():
            return Actor(organization_id, row.role, row.user_id, support_id=row.support_id)
        return None
    if row.user_id is not None:
        members = Membership.objects.of(organization_id).filter(user__is_active=True)
        member = members.filter(user_id=row.user_id).first()
        return None if member is None else Actor(organization_id, member.role, row.user_id)
    return Actor(organization_id, row.role) if row.role else None


def _key(row: Any) -> Actor | None:
    keys = ApiKey.objects.of(row.organization_id).live(now())
    key = keys.filter(pk=row.api_key_id).first()
    if key is None:
        return None
    return Actor(
        row.organization_id,
        api_key_id=key.pk,
        scopes=frozenset(key.scopes),
        project_id=key.project_id,
    )
