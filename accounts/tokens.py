"""Access and refresh tokens: how they are signed and read.

Access tokens live minutes and are checked against their session every time, so that ending a
session ends them at once. `accounts.actions.tokens` exchanges refresh tokens.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from allauth.headless import app_settings
from allauth.headless.internal.sessionkit import lookup_session
from allauth.headless.tokens.strategies.jwt.internal import (
    session_key_from_sid,
    session_key_to_sid,
    validate_token_user,
)
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.utils.timezone import now

from accounts.keys import keys_in
from accounts.models import TokenFamily, User

ALGORITHM = "HS256"
AUDIENCE = "loomwork-api"
LEEWAY = timedelta(seconds=5)
_NEEDED = {"access": ("sub", "jti", "sid"), "refresh": ("sub", "jti", "fam")}
_HEADER = {"alg", "kid", "typ"}

Claims = dict[str, Any]


def _sign(use: str, claims: Claims, issued_at: datetime, expires_at: datetime) -> str:
    key_id, key = next(iter(keys_in(settings.JWT_KEYS).items()))
    payload = claims | {
        "iss": settings.PUBLIC_URL,
        "aud": AUDIENCE,
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        "token_use": use,
    }
    return jwt.encode(payload, key, algorithm=ALGORITHM, headers={"kid": key_id})


def access_token(user: User, session: SessionBase) -> str:
    moment = now()
    claims = {
        "sub": str(user.pk),
        "sid": session_key_to_sid(str(session.session_key)),
        "jti": str(uuid4()),
    }
    lifetime = timedelta(seconds=app_settings.JWT_ACCESS_TOKEN_EXPIRES_IN)
    return _sign("access", claims, moment, moment + lifetime)


def refresh_token(family: TokenFamily) -> str:
    """The family's newest token. The same row gives the same token, so it need not be stored."""
    claims = {"sub": str(family.user_id), "jti": str(family.current), "fam": str(family.pk)}
    idle = timedelta(seconds=app_settings.JWT_REFRESH_TOKEN_EXPIRES_IN)
    expires_at = min(family.issued_at + idle, family.expires_at)
    return _sign("refresh", claims, family.issued_at, expires_at)


def read(token: str, use: str) -> Claims | None:
    """The claims of a token that is ours, unspoilt, in time and made for `use`; else None.

    The key is the one its `kid` names in our own set; the algorithm is never the token's choice.
    """
    try:
        header = jwt.get_unverified_header(token)
        key = keys_in(settings.JWT_KEYS).get(str(header.get("kid", "")))
        if key is None or set(header) - _HEADER or header.get("typ") != "JWT":
            return None
        claims: Claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=settings.PUBLIC_URL,
            leeway=LEEWAY,
            options={
                "require": ["iss", "aud", "iat", "exp", "token_use", *_NEEDED[use]],
                "strict_aud": True,
            },
        )
    except (jwt.PyJWTError, ValueError):
        return None
    texts = all(isinstance(claims[name], str) for name in _NEEDED[use])
    return claims if texts and claims["token_use"] == use else None


def session_of(claims: Claims) -> SessionBase | None:
    """The session an access token belongs to, while it lasts."""
    key = session_key_from_sid(claims["sid"])
    return lookup_session(key) if key else None


def person_of(claims: Claims, session: SessionBase | None) -> User | None:
    """Whom the token names, if that is whose session it is and they may still come in."""
    found = validate_token_user(claims, session) if session else None
    return found if isinstance(found, User) else None


def authenticate_access(token: str) -> tuple[User, Claims] | None:
    """The person an access token stands for, while its session lasts."""
    claims = read(token, "access")
    user = person_of(claims, session_of(claims)) if claims else None
    return (user, claims) if claims and user else None
