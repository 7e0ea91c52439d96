"""Which sessions a connection has made, and ending them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.actions.sessions import end_rows
from accounts.models import User
from accounts.sso.directory import Connection, parse_id
from accounts.sso.tokens import asked_at, vouches_for_factor

KEY = "sso"


@dataclass(frozen=True, slots=True)
class Mark:
    """How a session came about; `factor`: the provider vouched for a second one."""

    connection_id: UUID
    organization_id: UUID
    factor: bool
    sid: str = ""
    """The provider's own name of its session, by which it may end ours."""


def mark_session(request: HttpRequest, connection: Connection, claims: Mapping[str, Any]) -> None:
    """Written before the person is signed in, so that there is no session without it.

    It also says when the session ends: the store refuses it then, and its tokens with it.
    """
    sid, asked = claims.get("sid"), asked_at(dict(claims))
    request.session[KEY] = {
        "connection": str(connection.id),
        "organization": str(connection.organization_id),
        "factor": vouches_for_factor(dict(claims)),
        "sid": sid if isinstance(sid, str) else "",
    }
    until = (asked or time.time()) + connection.max_age
    request.session.set_expiry(datetime.fromtimestamp(until, UTC))


def unmark_session(request: HttpRequest) -> None:
    """For a sign-in by another way: what a provider said before counts for nothing in it."""
    if request.session.pop(KEY, None) is not None:
        request.session.set_expiry(None)


def mark_of(session: Any) -> Mark | None:
    """The mark of a session (a request's, or one that an access token names)."""
    stored = session.get(KEY) if session is not None else None
    if not isinstance(stored, dict):
        return None
    connection, organization = parse_id(stored["connection"]), parse_id(stored["organization"])
    if connection is None or organization is None:
        return None
    return Mark(connection, organization, bool(stored["factor"]), str(stored.get("sid", "")))


def factor_vouched_for(session: Any, organization_id: UUID) -> bool:
    """Whether the session's provider answers for the second factor that this organization wants.

    Only its own: elsewhere its word counts for nothing.
    """
    mark = mark_of(session)
    return mark is not None and mark.factor and mark.organization_id == organization_id


def end_sessions(connection_id: UUID, *, user_id: UUID | None = None, sid: str = "") -> None:
    """End what the connection has made; tokens of these sessions end with them.

    Of all its people or one, and of all sessions or the provider's `sid`. At once, and again after
    the commit, when a sign-in that was under way has stored its session.
    """
    linked = SocialAccount.objects.filter(provider=str(connection_id)).values("user_id")
    people = User.objects.filter(pk__in=[user_id] if user_id else linked)

    def made(mark: Mark | None) -> bool:
        ours = mark is not None and mark.connection_id == connection_id
        return ours and (not sid or (mark is not None and mark.sid == sid))

    _end_now_and_then(people, made)


def end_other_ways(connection_id: UUID, people: QuerySet[User]) -> None:
    """End the sessions of `people` that another way in has made, at once and after the commit."""
    _end_now_and_then(people, lambda mark: mark is None or mark.connection_id != connection_id)


def _end_now_and_then(people: QuerySet[User], judged: Callable[[Mark | None], bool]) -> None:
    _end(people, judged)
    transaction.on_commit(lambda: _end(people, judged))


def _end(people: QuerySet[User], judged: Callable[[Mark | None], bool]) -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore
    rows = UserSession.objects.filter(user__in=people.values("pk"))
    end_rows(row for row in list(rows) if judged(mark_of(store(row.session_key))))
