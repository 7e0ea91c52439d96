"""Exchanging refresh tokens.

A refresh token works once: exchanging it makes the next. One that comes a second time was copied,
so the whole session ends with all its tokens. Only the client that has just exchanged it may
repeat itself within `GRACE`: its answer was lost, or two of its threads asked at once. It gets the
same successor, so nobody is the richer for it; whoever repeats it from elsewhere ends the session.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from uuid import UUID, uuid4

from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.headless.internal.sessionkit import lookup_session
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils.timezone import now

from accounts.actions.sessions import end_families, end_rows
from accounts.models import TokenFamily, User
from accounts.security import Kind, note, visitor_address
from accounts.tokens import access_token, person_of, read, refresh_token

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=10)


def found_family(user: User, session: SessionBase) -> TokenFamily:
    """At sign-in. No refresh token of it outlives the session."""
    return TokenFamily.objects.create(
        user=user,
        session_key=str(session.session_key),
        current=uuid4(),
        issued_at=now().replace(microsecond=0),
        expires_at=session.get_expiry_date(),
    )


def exchange(token: str) -> tuple[str, str] | None:
    """The next access and refresh token; None for a token that is not good any more.

    Of two simultaneous exchanges one wins the update, on both databases; the other finds its
    token to be the previous one, and is a repetition (same client, within GRACE) or a reuse.
    """
    claims = read(token, "refresh")
    if claims is None:
        return None
    jti, family_id, user_id = (_uuid(claims[name]) for name in ("jti", "fam", "sub"))
    if jti is None or family_id is None or user_id is None:
        return None
    family = TokenFamily.objects.filter(pk=family_id, user_id=user_id).first()
    if family is None or family.ended_at or family.expires_at <= now():
        return None
    session = lookup_session(family.session_key)
    user = person_of(claims, session)
    if session is None or user is None:
        return None
    if _advance(family, jti) or _repeats(family, jti):
        UserSession.objects.filter(session_key=family.session_key).update(last_seen_at=now())
        return access_token(user, session), refresh_token(family)
    end_reused_session(family)
    return None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _client() -> str:
    """Who asks: the visitor's address and program, as a digest."""
    request = context.request
    agent = request.headers.get("User-Agent", "") if request else ""
    return hashlib.sha256(f"{visitor_address(request)}|{agent}".encode()).hexdigest()


def _advance(family: TokenFamily, jti: UUID) -> bool:
    """Compare and set: only one exchange of a token moves the family on."""
    live = TokenFamily.objects.filter(pk=family.pk, current=jti, ended_at=None)
    moved = live.update(
        current=uuid4(),
        issued_at=now().replace(microsecond=0),
        previous=jti,
        client=_client(),
    )
    family.refresh_from_db()
    return bool(moved)


def _repeats(family: TokenFamily, jti: UUID) -> bool:
    fresh = now() - family.issued_at <= GRACE
    same = family.previous == jti and family.client == _client()
    return fresh and same and family.ended_at is None


@transaction.atomic
def end_reused_session(family: TokenFamily) -> bool:
    """End the session and all its tokens; False when another request has just done so.

    The stored row decides, not what the caller read.
    """
    live = TokenFamily.objects.filter(pk=family.pk, ended_at=None)
    if not live.update(ended_at=now()):
        return False
    note(Kind.TOKEN_REUSED, user_id=family.user_id, family=str(family.pk))
    end_rows(UserSession.objects.filter(session_key=family.session_key))
    end_families(family.session_key)
    logger.warning("A used refresh token of %s came again; the session is ended", family.user_id)
    get_adapter().send_notification_mail("accounts/email/token_reused", family.user)
    return True
