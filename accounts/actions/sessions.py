"""Ending sessions. A session takes its access and refresh tokens with it, at once."""

from collections.abc import Iterable
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from django.utils.timezone import now

from accounts.models import TokenFamily, User
from accounts.security import Kind, note
from core.errors import NotFound


@transaction.atomic
def end_session(*, user: User, session_id: int | str, by: UUID | None = None) -> None:
    """Raises NotFound for a session that is over or somebody else's. `by`: an operator."""
    known = isinstance(session_id, int) or (session_id.isdecimal() and len(session_id) < 19)
    rows = UserSession.objects.select_for_update().filter(user=user)
    row = rows.filter(pk=session_id).first() if known else None
    if row is None:
        raise NotFound("There is no such session.")
    end_rows([row], by=by)


@transaction.atomic
def end_other_sessions(*, user: User, keep: str | None) -> int:
    """End all but the one whose key is `keep`; how many those were."""
    rows = list(UserSession.objects.filter(user=user).exclude(session_key=keep or ""))
    end_rows(rows)
    return len(rows)


@transaction.atomic
def end_oldest_sessions(*, user: User, keep: str | None) -> int:
    """Keep SESSIONS_PER_PERSON, among them `keep`; end those seen longest ago; how many.

    Two sign-ins at once may each see the other's, so for a moment there may be one more.
    """
    most = settings.SESSIONS_PER_PERSON
    if not most:
        return 0
    others = UserSession.objects.filter(user=user).exclude(session_key=keep or "")
    rows = list(others.order_by("-last_seen_at", "-pk")[most - 1 :])
    end_rows(rows)
    return len(rows)


def end_rows(rows: Iterable[UserSession], *, by: UUID | None = None) -> None:
    for row in rows:
        data = {"session": row.pk, "device": row.user_agent[:200], "address": row.ip}
        note(Kind.SESSION_ENDED, user_id=row.user_id, **data, **({"by": str(by)} if by else {}))
        end_families(row.session_key)
        row.end()


def end_families(session_key: str) -> None:
    TokenFamily.objects.filter(session_key=session_key, ended_at=None).update(ended_at=now())
