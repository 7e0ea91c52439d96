"""allauth's seam for providers: which there are, and who somebody they vouch for is."""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.httpkit import is_headless_request
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest
from django.shortcuts import render

from accounts.sso.directory import Connection, directory, parse_id
from accounts.sso.errors import SsoClosed, SsoOnlyToSignIn, SsoRefused
from accounts.sso.fetching import GuardedSession
from accounts.sso.linking import admit_identity
from accounts.sso.tokens import check_age

logger = logging.getLogger(__name__)


class SsoAccountAdapter(DefaultSocialAccountAdapter):
    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The one connection that `provider` names by its id.

        There is no list of all: it would tell every visitor who our customers are.
        """
        connection_id = parse_id(provider)
        found = directory().connection(connection_id) if connection_id else None
        if found is None or (client_id and client_id != found.client_id):
            return []
        return [_app(found)]

    def get_requests_session(self) -> GuardedSession:
        return GuardedSession()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Never by allauth's form: people are made in `linking`, with a verified address."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Everything is decided here; what is left for allauth is to sign the person in."""
        connection = sociallogin.connection
        try:
            if sociallogin.state.get("process") != AuthProcess.LOGIN:
                raise SsoOnlyToSignIn
            check_age(sociallogin.claims, connection.max_age)
            link = _admit(connection, sociallogin)
        except SsoRefused as error:
            self._refuse(request, sociallogin, connection, error)
        sociallogin.account, sociallogin.user = link, link.user

    def _refuse(
        self,
        request: HttpRequest,
        sociallogin: SocialLogin,
        connection: Connection,
        error: SsoRefused,
    ) -> NoReturn:
        subject = sociallogin.account.uid[:100]
        directory().note(connection, "refused", None, reason=error.code, subject=subject)
        if sociallogin.is_headless or is_headless_request(request):
            raise ValidationError(error.text, code=error.code) from error
        page = render(request, "socialaccount/authentication_error.html", {"refusal": error.text})
        page.status_code = error.status
        raise ImmediateHttpResponse(page) from error

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Why, for whoever runs this; the visitor is told only that it did not work."""
        if exception is not None:
            name = getattr(getattr(provider, "app", None), "provider_id", "")
            logger.warning("Sign-on by connection %s failed: %s", name, exception)


def _app(connection: Connection) -> SocialApp:
    """A connection in allauth's shape; it is never stored."""
    app = SocialApp(
        provider="openid_connect",
        provider_id=str(connection.id),
        name=connection.name[:40],
        client_id=connection.client_id,
        secret=connection.client_secret,
        settings={
            "server_url": connection.issuer,
            "scope": list(connection.scopes),
            "oauth_pkce_enabled": True,
        },
    )
    app.connection = connection
    return app


def _admit(connection: Connection, sociallogin: SocialLogin) -> Any:
    """Twice, when somebody else made the same account at that very moment."""
    identity = sociallogin.account
    if identity.pk:  # allauth has looked it up; judged anew all the same
        identity = type(identity)(
            provider=identity.provider, uid=identity.uid, extra_data=identity.extra_data
        )
    for last in (False, True):
        try:
            return admit_identity(connection, identity, sociallogin.claims)
        except IntegrityError:
            identity.pk = None
            if last:
                raise SsoClosed from None
    raise SsoClosed
