"""allauth's OpenID Connect provider, closed where it is open: see `tokens` for what it checks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.headless.internal.restkit.response import ErrorResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.sso.directory import Connection
from accounts.sso.discovery import Discovery, fetch_discovery
from accounts.sso.errors import SsoBrowserOnly
from accounts.sso.fetching import fetch_json
from accounts.sso.tokens import (
    Claims,
    check_access_token,
    check_nonce,
    merge_userinfo,
    nonce_of,
    read_id_token,
    use_once,
)


def callback_url(connection_id: UUID) -> str:
    """What a provider has to know as the redirect address of a connection."""
    path = reverse("openid_connect_callback", kwargs={"provider_id": connection_id})
    return f"{settings.PUBLIC_URL}{path}"


def logout_url(connection_id: UUID) -> str:
    """Where a provider may end sessions: its `backchannel_logout_uri` of this client."""
    path = reverse("sso_provider_logout", kwargs={"provider_id": connection_id})
    return f"{settings.PUBLIC_URL}{path}"


class SsoAdapter(OpenIDConnectOAuth2Adapter):
    """One sign-in at the provider of one connection."""

    _verifier: str | None = None

    @property
    def connection(self) -> Connection:
        found: Connection = self.get_provider().app.connection
        return found

    @property
    def found(self) -> Discovery:
        if not hasattr(self, "_found"):
            self._found = fetch_discovery(self.connection.issuer)
        return self._found

    @property
    def basic_auth(self) -> bool:
        """client_secret_basic is the default where a provider says nothing (Discovery, 3)."""
        methods = self.found.token_endpoint_auth_methods_supported
        return bool(self.connection.client_secret) and "client_secret_post" not in methods

    @property
    def access_token_url(self) -> str:
        return self.found.token_endpoint

    @property
    def authorize_url(self) -> str:
        return self.found.authorization_endpoint

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """By the configured address, never by the Host header."""
        return callback_url(self.connection.id)

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        self._check_issuer(request)
        self._verifier = pkce_code_verifier
        data: dict[str, Any] = super().get_access_token_data(
            request, app, client, pkce_code_verifier=pkce_code_verifier
        )
        return data

    def _check_issuer(self, request: HttpRequest) -> None:
        """RFC 9207: an answer that names another provider was mixed up on its way."""
        named = request.GET.get("iss")
        if named is None and not self.found.authorization_response_iss_parameter_supported:
            return
        if named != self.found.issuer:
            raise OAuth2Error("The answer is of another provider.")

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        """Not kept (SOCIALACCOUNT_STORE_TOKENS is off); used to ask for what the ID token lacks."""
        if not isinstance(data.get("access_token"), str):
            raise OAuth2Error("There is no access token.")
        return SocialToken(token=data["access_token"])

    def complete_login(
        self, request: HttpRequest, app: Any, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        claims = read_id_token(kwargs["response"].get("id_token"), self.connection, self.found)
        check_nonce(claims, self._verifier)
        check_access_token(claims, token.token)
        return self.get_provider().sociallogin_from_response(
            request, self._completed(claims, token.token)
        )

    def _completed(self, claims: Claims, access_token: str) -> Claims:
        wanted = {"email", "name", self.connection.role_claim} - {""}
        if not self.found.userinfo_endpoint or wanted <= claims.keys():
            return claims
        bearer = {"Authorization": f"Bearer {access_token}"}
        return merge_userinfo(claims, fetch_json(self.found.userinfo_endpoint, headers=bearer))


class SsoProvider(OpenIDConnectProvider):
    """A connection as allauth's flows see it; `app.provider_id` is the connection's id."""

    oauth2_adapter_class = SsoAdapter

    def serialize(self) -> dict[str, Any]:
        """By its own id: two connections may have the same client id."""
        return {"id": self.sub_id, "app.client_id": self.app.client_id}

    def get_pkce_params(self) -> dict[str, str]:
        """PKCE always, and the nonce that belongs to its verifier."""
        params: dict[str, str] = super().get_pkce_params()
        return params | {"nonce": nonce_of(params["code_verifier"])}

    def get_auth_params(self) -> dict[str, str]:
        """The provider asks anew whom it has not asked for as long as the connection allows."""
        params: dict[str, str] = super().get_auth_params()
        return params | {"max_age": str(self.app.connection.max_age)}

    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, str]:
        """Nothing of the address: whoever wrote the link could have changed the request."""
        params: dict[str, str] = self.get_auth_params()
        return params

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        """As above."""
        scope: list[str] = self.get_scope()
        return scope

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, **kwargs: Any
    ) -> HttpResponse:
        """Off to the provider, from a page by a page of our own.

        Browsers apply our `form-action` to where a form's answer redirects to as well. For a
        program there is no way back: its state would stay in a session that no browser has.
        """
        if kwargs.get("headless"):
            refused = ValidationError(SsoBrowserOnly.text, code=SsoBrowserOnly.code)
            return ErrorResponse(request, exception=refused, status=403)
        try:
            answer = super().redirect(request, process, next_url, **kwargs)
        except OAuth2Error as error:
            refusal: HttpResponse = render_authentication_error(request, self, exception=error)
            return refusal
        target = answer.headers.get("Location")
        if target is None:
            return answer
        page = render(request, "accounts/sso_leaving.html", {"target": target, "name": self.name})
        page.headers["Cache-Control"] = "no-store"
        return page

    def verify_token(self, request: HttpRequest, token: dict[str, Any]) -> SocialLogin:
        """An ID token that a client got by itself: as strict, fresh, and good for one time."""
        adapter = self.get_oauth2_adapter(request)
        try:
            id_token = token.get("id_token")
            claims = read_id_token(id_token, adapter.connection, adapter.found)
            use_once(str(id_token), claims)
        except OAuth2Error as error:
            raise get_adapter().validation_error("invalid_token") from error
        return self.sociallogin_from_response(request, claims)

    def sociallogin_from_response(self, request: HttpRequest, response: Claims) -> SocialLogin:
        login = super().sociallogin_from_response(request, response)
        login.claims, login.connection = response, self.app.connection
        return login

    def extract_uid(self, data: Claims) -> str:
        return str(data["sub"])

    def extract_extra_data(self, data: Claims) -> dict[str, Any]:
        """What is kept of the claims: enough to recognize the identity."""
        return {name: data[name] for name in ("iss", "email") if isinstance(data.get(name), str)}

    def extract_common_fields(self, data: Claims) -> dict[str, Any]:
        return {}

    def extract_email_addresses(self, data: Claims) -> list[EmailAddress]:
        """None: which account an address leads to is decided in `linking`."""
        return []


provider_classes = [SsoProvider]
