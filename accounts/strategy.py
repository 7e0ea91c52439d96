"""allauth's seam for tokens: what its sign-in hands out, and what its own endpoints accept."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.httpkit import authenticated_user, get_authorization_credential
from allauth.core.internal.ratelimit import respond_429
from allauth.headless import app_settings
from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy
from django.http import HttpRequest

from accounts.actions.tokens import exchange, found_family
from accounts.lockout import may_refresh
from accounts.tokens import Claims, access_token, authenticate_access, refresh_token


class TokenStrategy(JWTTokenStrategy):
    def _get_access_token(self, request: HttpRequest) -> Claims | None:
        token = get_authorization_credential(request, app_settings.JWT_AUTHORIZATION_HEADER_SCHEME)
        found = authenticate_access(token) if token else None
        return found[1] if found else None

    def create_access_token(self, request: HttpRequest) -> str | None:
        return access_token(authenticated_user(request), request.session)

    def create_access_token_payload(self, request: HttpRequest) -> dict[str, Any] | None:
        family = found_family(authenticated_user(request), request.session)
        return {
            "access_token": self.create_access_token(request),
            "refresh_token": refresh_token(family),
            "expires_in": app_settings.JWT_ACCESS_TOKEN_EXPIRES_IN,
        }

    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        if not may_refresh(context.request):
            raise ImmediateHttpResponse(respond_429(context.request))
        return exchange(refresh_token)
