"""The address at the foot of a letter that turns its kind off, for that person, and nothing else.

Whoever holds a letter may use it: it opens no account and says nothing of whose it is.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core import signing
from django.core.signing import BadSignature
from django.http import HttpRequest

from accounts.security import visitor_address
from core.rates import Verdict, count

LIFETIME = timedelta(days=180)
A_MINUTE = 10
"""For one person. Mail providers post for many people from one network, so that is not counted."""
STRANGERS = 60
"""Addresses that were not given out, from one network, a minute."""
_SALT = "accounts.notifications.off"


def token_for(user_id: UUID, kind: str) -> str:
    return signing.dumps([user_id.hex, kind], salt=_SALT)


def read_token(token: str) -> tuple[UUID, str] | None:
    """Whose and which kind; None for what was not given out, or too long ago."""
    try:
        user, kind = signing.loads(token, salt=_SALT, max_age=LIFETIME)
    except BadSignature:
        return None
    return UUID(user), str(kind)


def measure(request: HttpRequest, user_id: UUID | None) -> Verdict:
    if user_id is not None:
        return count(f"unsubscribe:{user_id}", A_MINUTE)
    return count(f"unsubscribe-ip:{visitor_address(request)}", STRANGERS)
