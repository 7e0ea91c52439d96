"""Acting for somebody who is not there: with what they may do at this moment, no more."""

from __future__ import annotations

from uuid import UUID

from django.utils.timezone import now

from orgs.access import system_actor
from orgs.actor import Actor
from orgs.models import ApiKey, Membership


def acting_for(
    organization_id: UUID, user_id: UUID | None, api_key_id: UUID | None
) -> Actor | None:
    """The actor behind a key or a member; the system where there is neither.

    None when the key has ended or the person has left.
    """
    if api_key_id is not None:
        keys = ApiKey.objects.live(now()).filter(organization_id=organization_id, pk=api_key_id)
        key = keys.first()
        return key and Actor(
            organization_id=organization_id,
            api_key_id=key.pk,
            scopes=frozenset(key.scopes),
            project_id=key.project_id,
        )
    if user_id is None:
        return system_actor(organization_id)
    member = Membership.objects.filter(organization_id=organization_id, user_id=user_id).first()
    return member and Actor(organization_id=organization_id, role=member.role, user_id=user_id)
