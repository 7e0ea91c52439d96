"""OpenID Connect Back-Channel Logout 1.0: a provider ends the sessions that it has vouched for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.core.cache import cache
from django.db import transaction

from accounts.sso.directory import Connection, directory
from accounts.sso.discovery import fetch_discovery
from accounts.sso.sessions import end_sessions
from accounts.sso.tokens import LEEWAY, Claims, read_signed

EVENT = "http://schemas.openid.net/event/backchannel-logout"
OLDEST = 120
"""Seconds after which a logout token is too old, as the specification recommends."""


def log_out_by(connection_id: UUID, token: str) -> None:
    """End the sessions that the token names: the person's, or the provider's `sid` alone.

    Whom the provider never linked has none, which is no error. Raises OAuth2Error for a token that
    is not a logout token of this provider for this client, or comes a second time.
    """
    connection = directory().connection(connection_id)
    if connection is None:
        raise OAuth2Error("There is no such connection.")
    found = fetch_discovery(connection.issuer)
    claims = read_signed(token, connection, found, ("iss", "aud", "iat", "exp", "jti", "events"))
    _check(claims)
    _use_once(connection, claims)
    _end(connection, claims)


def _check(claims: Claims) -> None:
    """Logout 1.0, 2.6. A nonce would make it an ID token, which is no order to log out."""
    events = claims["events"]
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        raise OAuth2Error("The token is no logout token.")
    if "nonce" in claims:
        raise OAuth2Error("A logout token has no nonce.")
    if not (_text(claims.get("sub")) or _text(claims.get("sid"))):
        raise OAuth2Error("The logout token names nobody.")
    if time.time() - float(claims["iat"]) > OLDEST + LEEWAY:
        raise OAuth2Error("The logout token is too old.")


def _use_once(connection: Connection, claims: Claims) -> None:
    if not _text(claims["jti"]):
        raise OAuth2Error("The logout token has no id.")
    name = hashlib.sha256(f"{connection.id}|{claims['jti']}".encode()).hexdigest()
    if not cache.add(f"sso:logout:{name}", 1, OLDEST + 3 * LEEWAY):
        raise OAuth2Error("The logout token was used before.")


@transaction.atomic
def _end(connection: Connection, claims: Claims) -> None:
    sub, sid = _text(claims.get("sub")), _text(claims.get("sid"))
    if not sub:
        end_sessions(connection.id, sid=sid)
        return
    link = SocialAccount.objects.filter(provider=str(connection.id), uid=sub).first()
    if link is not None:
        end_sessions(connection.id, user_id=link.user_id, sid=sid)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
