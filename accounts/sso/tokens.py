"""Reading ID tokens (OpenID Connect Core 1.0, 3.1.3.7).

allauth does not check a signature after a code exchange, takes the algorithm from the token and
knows no nonce; so the whole check is here. The algorithms are ours to choose, never the token's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Any

import jwt
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.conf import settings
from django.core.cache import cache

from accounts.sso.directory import Connection
from accounts.sso.discovery import Discovery, fetch_keys
from accounts.sso.errors import SsoStale

ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
"""By type of key: no `none`, and no HMAC, whose key the client would share."""
LEEWAY = 60
OLDEST = 600
"""Seconds after which an ID token that a client brings itself is too old."""

Claims = dict[str, Any]


def nonce_of(verifier: str) -> str:
    """The nonce of a sign-in: derived from its PKCE verifier, which only the session knows."""
    digest = hashlib.sha256(f"nonce:{verifier}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def read_id_token(token: object, connection: Connection, found: Discovery) -> Claims:
    """The claims of a token that this provider made for this client and that is in time.

    Raises OAuth2Error.
    """
    if not isinstance(token, str):
        raise OAuth2Error("There is no ID token.")
    claims = read_signed(token, connection, found, ("iss", "sub", "aud", "exp", "iat"))
    if "events" in claims:
        raise OAuth2Error("The token tells of an event and signs nobody in.")
    _check_party(claims, connection.client_id)
    asked_at(claims)
    return claims


def read_signed(
    token: str, connection: Connection, found: Discovery, required: Sequence[str]
) -> Claims:
    """The claims of any token of this provider for this client, in time. Raises OAuth2Error."""
    try:
        header = jwt.get_unverified_header(token)
        key, algorithm = _key_for(header, found.jwks_uri)
        claims: Claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=connection.client_id,
            issuer=found.issuer,
            leeway=LEEWAY,
            options={"require": list(required)},
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise OAuth2Error(f"The token is not valid: {type(error).__name__}.") from error
    return claims


def _key_for(header: dict[str, Any], jwks_uri: str) -> tuple[Any, str]:
    """The provider's key for this token and the algorithm, which must suit the key."""
    algorithm, kid = header.get("alg"), header.get("kid")
    for fresh in (False, True):
        for key in fetch_keys(jwks_uri, fresh=fresh):
            if _suits(key, algorithm, kid):
                return jwt.PyJWK(key, algorithm=algorithm).key, str(algorithm)
    raise OAuth2Error("The provider has no such key.")


def _suits(key: dict[str, Any], algorithm: object, kid: object) -> bool:
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return False
    if str(algorithm).startswith("RS") and not settings.SSO_RSA_PKCS1:
        return False
    named = key.get("kid") == kid if kid is not None else True
    return named and algorithm in ALGORITHMS.get(str(key.get("kty")), ())


def _check_party(claims: Claims, client_id: str) -> None:
    """A token for several clients must say that it was issued to us."""
    audience = claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    party = claims.get("azp")
    if (several and party is None) or (party is not None and party != client_id):
        raise OAuth2Error("The ID token was issued to another client.")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 191:
        raise OAuth2Error("The ID token names nobody.")


def check_nonce(claims: Claims, verifier: str | None) -> None:
    """The token must belong to the sign-in that this very browser began."""
    given = claims.get("nonce")
    expected = nonce_of(verifier) if verifier else ""
    if not expected or not isinstance(given, str):
        raise OAuth2Error("The ID token belongs to no sign-in.")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise OAuth2Error("The ID token belongs to another sign-in.")


def check_access_token(claims: Claims, access_token: str) -> None:
    """`at_hash`, where the provider says one (Core, 3.1.3.6), binds the two tokens together."""
    given = claims.get("at_hash")
    if given is None:
        return
    expected = set()
    for name in ("sha256", "sha384", "sha512"):
        digest = hashlib.new(name, access_token.encode()).digest()
        half = digest[: len(digest) // 2]
        expected.add(base64.urlsafe_b64encode(half).rstrip(b"=").decode())
    if given not in expected:
        raise OAuth2Error("The access token belongs to another ID token.")


def use_once(token: str, claims: Claims) -> None:
    """For tokens that a client brings itself: fresh, and never a second time."""
    if time.time() - float(claims["iat"]) > OLDEST:
        raise OAuth2Error("The ID token is too old.")
    signed = token.rpartition(".")[0]  # the signature's last bits can be written in several ways
    key = "sso:used:" + hashlib.sha256(signed.encode()).hexdigest()
    if not cache.add(key, 1, OLDEST + 2 * LEEWAY):
        raise OAuth2Error("The ID token was used before.")


def merge_userinfo(claims: Claims, told: Claims) -> Claims:
    """What the userinfo endpoint adds; the signed token wins, and both must speak of one person."""
    if told.get("sub") != claims["sub"]:
        raise OAuth2Error("The provider answered about somebody else.")
    return told | claims


def asked_at(claims: Claims) -> float | None:
    """When the provider asked the person (`auth_time`), in seconds; None: it does not say.

    Raises OAuth2Error for what is no time or has not come yet.
    """
    said = claims.get("auth_time")
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise OAuth2Error("The ID token names no time of sign-in.")
    if not 0 < said <= time.time() + LEEWAY:
        raise OAuth2Error("The ID token was made before its sign-in.")
    return float(said)


def check_age(claims: Claims, max_age: int) -> None:
    """Raises SsoStale. A provider that says nothing is believed: the session ends in time anyway.

    OpenID Connect Core, 3.1.3.7 (13): it was asked with `max_age`.
    """
    asked = asked_at(claims)
    if asked is not None and time.time() - asked > max_age + LEEWAY:
        raise SsoStale


def vouches_for_factor(claims: Claims) -> bool:
    """Whether the provider says that it asked for more than one factor (RFC 8176)."""
    amr = claims.get("amr")
    methods = {one for one in amr if isinstance(one, str)} if isinstance(amr, list) else set()
    acr = claims.get("acr")
    strong = {
        "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
        "https://refeds.org/profile/mfa",
        "mfa",
    }
    return "mfa" in methods or (isinstance(acr, str) and acr in strong)
