"""Which sessions a connection has made, and ending them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from accounts.actions.sessions import end_rows
from accounts.models import User
from accounts.sso.directory import Connection, parse_id

KEY = "sso"


@dataclass(frozen=True, slots=True)
class Mark:
    """How a session came about; `factor`: the provider vouched for a second one."""

    connection_id: UUID
    organization_id: UUID
    factor: bool


def mark_session(request: HttpRequest, connection: Connection, *, factor: bool) -> None:
    """Written before the person is signed in, so that there is no session without it."""
    request.session[KEY] = {
        "connection": str(connection.id),
        "organization": str(connection.organization_id),
        "factor": factor,
    }


def mark_of(session: Any) -> Mark | None:
    """The mark of a session (a request's, or one that an access token names)."""
    stored = session.get(KEY) if session is not None else None
    if not isinstance(stored, dict):
        return None
    connection, organization = parse_id(stored["connection"]), parse_id(stored["organization"])
    if connection is None or organization is None:
        return None
    return Mark(connection, organization, bool(stored["factor"]))


def factor_vouched_for(session: Any, organization_id: UUID) -> bool:
    """Whether the session's provider answers for the second factor that this organization wants.

    Only its own: elsewhere its word counts for nothing.
    """
    mark = mark_of(session)
    return mark is not None and mark.factor and mark.organization_id == organization_id


def end_sessions(connection_id: UUID, *, user_id: UUID | None = None) -> None:
    """End what the connection has made; tokens of these sessions end with them.

    At once, and again after the commit, when a sign-in that was under way has stored its session.
    """
    _end(connection_id, user_id)
    transaction.on_commit(lambda: _end(connection_id, user_id))


def _end(connection_id: UUID, user_id: UUID | None) -> None:
    linked = SocialAccount.objects.filter(provider=str(connection_id)).values("user_id")
    people = User.objects.filter(pk__in=[user_id] if user_id else linked)
    store = import_module(settings.SESSION_ENGINE).SessionStore
    rows = UserSession.objects.filter(user__in=people)
    marked = [(row, mark_of(store(row.session_key))) for row in rows]
    end_rows(row for row, mark in marked if mark and mark.connection_id == connection_id)
