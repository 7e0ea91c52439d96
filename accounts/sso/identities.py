"""Who is linked to a connection. Rooms above see `Identity`, never allauth's rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.db.models import QuerySet

from accounts.sso.sessions import end_sessions


def identities_of(connection_ids: Iterable[UUID]) -> QuerySet[Any]:
    """Rows with `id`, `provider` (the connection's id), `uid`, `user` and when they came."""
    names = [str(one) for one in connection_ids]
    rows: QuerySet[Any] = SocialAccount.objects.filter(provider__in=names)
    return rows.select_related("user")


@transaction.atomic
def release_identity(identity: Any) -> None:
    """Forget the link: the next sign-in with the person's address makes a new one."""
    end_sessions(UUID(identity.provider), user_id=identity.user_id)
    identity.delete()


@transaction.atomic
def release_all(connection_id: UUID) -> int:
    """Forget all links of a connection and end the sessions it made; how many there were."""
    rows = SocialAccount.objects.filter(provider=str(connection_id))
    users = list(rows.values_list("user_id", flat=True))
    for user_id in users:
        end_sessions(connection_id, user_id=user_id)
    rows.delete()
    return len(users)
