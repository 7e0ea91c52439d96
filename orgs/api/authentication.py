"""How a REST caller says who they are: an API key, or the session of a page."""

from __future__ import annotations

from typing import Any

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from core.addresses import caller_address
from orgs.keys import KeyInfo, admit, looks_like_key, verify_key


class KeyPrincipal:
    """Stands where a user would: authenticated, but nobody in particular."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    pk = None
    id = None

    def __init__(self, info: KeyInfo) -> None:
        self.info = info

    def __str__(self) -> str:
        return f"key {self.info.key_id}"


class ApiKeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer lw_…` (or `X-API-Key: lw_…`). Read anew for each request."""

    def authenticate(self, request: Request) -> tuple[Any, KeyInfo] | None:
        token = _token_of(request)
        if token is None:
            return None
        info = verify_key(token)
        if info is None:
            raise exceptions.AuthenticationFailed("This API key is not valid.")
        forwarded = request.headers.get("X-Forwarded-For", "")
        admit(info, caller_address(request.META.get("REMOTE_ADDR", ""), forwarded))
        return KeyPrincipal(info), info

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="loomwork"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The page's own session; unsafe methods need its CSRF token. Says 401, not 403."""

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="loomwork"'


def _token_of(request: Request) -> str | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    token = value.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key", "")
    return token if looks_like_key(token) else None
