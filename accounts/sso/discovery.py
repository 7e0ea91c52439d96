"""What a provider publishes about itself: OpenID Connect Discovery 1.0 and its key set (RFC 7517).

Both are kept in the cache for five minutes. A key that is not in the kept set is asked for anew,
but not more often than every half minute: forged tokens must not make us knock without end.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.core.cache import cache

from accounts.sso.fetching import fetch_json
from core.errors import DomainError
from core.http import OutgoingRefused, check_url
from core.http.addresses import is_public

WELL_KNOWN = "/.well-known/openid-configuration"
KEPT_SECONDS = 300
ASK_AGAIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Discovery:
    """The part of a provider's document that sign-in needs, checked."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False


def check_endpoint(url: str) -> str:
    """The URL itself. Raises OutgoingRefused.

    Plain http passes only to an address that is not public, and that the operator of this
    installation has opened (OUTGOING_ALLOW).
    """
    checked = check_url(url)
    if checked.scheme != "https" and not _opened_inside(checked.host or ""):
        raise OutgoingRefused("A provider is reached by https:// alone.", url=url[:200])
    return url


def _opened_inside(host: str) -> bool:
    if host == "localhost":
        return True  # check_url has asked whether loopback is open
    try:
        return not is_public(ip_address(host))
    except ValueError:
        return False


def fetch_discovery(issuer: str, *, fresh: bool = False) -> Discovery:
    """Raises OAuth2Error for a document that is missing, unfit or of another issuer."""
    key = _key("discovery", issuer)
    if not fresh and (known := cache.get(key)):
        return Discovery(**known)
    found = _read(issuer, fetch_json(issuer.rstrip("/") + WELL_KNOWN))
    cache.set(key, asdict(found), KEPT_SECONDS)
    return found


def _read(issuer: str, document: dict[str, Any]) -> Discovery:
    if document.get("issuer") != issuer:
        raise OAuth2Error("The document is of another issuer.")
    needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    urls = {name: _endpoint(document, name) for name in needed}
    if document.get("userinfo_endpoint"):
        urls["userinfo_endpoint"] = _endpoint(document, "userinfo_endpoint")
    methods = document.get("token_endpoint_auth_methods_supported")
    return Discovery(
        issuer=issuer,
        token_endpoint_auth_methods_supported=_texts(methods),
        authorization_response_iss_parameter_supported=(
            document.get("authorization_response_iss_parameter_supported") is True
        ),
        **urls,
    )


def _endpoint(document: dict[str, Any], name: str) -> str:
    url = document.get(name)
    try:
        if not isinstance(url, str) or urlsplit(url).fragment:
            raise OAuth2Error(f"The document names no {name}.")
        return check_endpoint(url)
    except DomainError as error:
        raise OAuth2Error(f"{name}: {error.message}") from error


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def fetch_keys(jwks_uri: str, *, fresh: bool = False) -> list[dict[str, Any]]:
    """The provider's key set, kept for a while; `fresh` asks again when that is due."""
    key, asked = _key("keys", jwks_uri), _key("asked", jwks_uri)
    known: list[dict[str, Any]] | None = cache.get(key)
    if known is not None and (not fresh or not cache.add(asked, 1, ASK_AGAIN_SECONDS)):
        return known
    found = fetch_json(jwks_uri).get("keys")
    if not isinstance(found, list):
        raise OAuth2Error("The key set holds no keys.")
    keys = [one for one in found if isinstance(one, dict)]
    cache.set(key, keys, KEPT_SECONDS)
    return keys


def _key(kind: str, url: str) -> str:
    return f"sso:{kind}:{hashlib.sha256(url.encode()).hexdigest()}"
