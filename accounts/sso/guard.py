"""Where an organization demands its own sign-in, every other way in is shut."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.account.internal.stagekit import clear_login
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from allauth.core.internal.httpkit import is_headless_request
from allauth.headless.internal.restkit.response import ErrorResponse
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.mail import address
from accounts.models import User
from accounts.reauthentication import recently_confirmed
from accounts.sso.directory import Connection, directory
from accounts.sso.errors import SsoClosed
from accounts.sso.sessions import mark_of, mark_session, unmark_session
from accounts.sso.tokens import Claims, asked_at

REQUIRED = _("Your organization asks you to sign in through its own sign-in.")


def demanded_of(user: User) -> Connection | None:
    """The connection that this person has to use; None for owners, who may break the glass."""
    found = directory().enforced_for(user.email)
    if found is None or directory().may_break_glass(found, user):
        return None
    return found


class SsoGuard(DefaultAccountAdapter):
    """Mixed into the account adapter. Every sign-in of allauth comes through `pre_login`."""

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        refused: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if refused is not None:
            return refused
        login = (kwargs.get("signal_kwargs") or {}).get("sociallogin")
        if login is not None:
            mark_session(request, login.connection, login.claims)
            _record_asking(request, user, login.claims)
            directory().enter(request.session, login.connection)
            return None
        unmark_session(request)
        if demanded_of(user) is None:
            return None
        clear_login(request)
        return _send_there(request, user)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """The connection may have been switched off while its provider was asked.

        The session is stored first: whoever switches off looks for sessions after that.
        """
        answer: HttpResponse = super().post_login(request, user, **kwargs)
        mark = mark_of(request.session)
        if mark is not None:
            request.session.save()
            if directory().connection(mark.connection_id) is None:
                self.logout(request)
                return _refuse(request)
        return answer

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Allauth lets people pass who have neither password nor factor: they go to the provider.

        Raises ReauthenticationRequired, as it does itself where it asks; PermissionDenied for who
        came in by something they have taken away since, and can show nothing else.
        """
        required: bool = super().is_reauthentication_required(app=app, **kwargs)
        request = context.request
        if required and not get_reauthentication_flows(request.user):
            if recently_confirmed(request):
                return False
            if mark_of(request.session) is None:
                raise PermissionDenied(gettext("Set a password by mail first."))
            raise ReauthenticationRequired
        return required

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if methods or mark_of(context.request.session) is None:
            return methods
        way = {"description": gettext("Sign in with your organization"), "id": "sso_confirm"}
        return [way | {"url": reverse("sso_confirm")}]

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """The visitor is told the same either way; the mailbox's owner learns the right way."""
        if demanded_of(user) is None:
            super().send_password_reset_mail(user, email, context)
            return
        around = {"user": user, "link": address("sso_start")}
        self.send_mail("accounts/email/sso_instead", email, around)

    def validate_unique_email(self, email: str) -> str:
        """At sign-up. Says no more than the domain's policy, which is the same for any address."""
        if directory().enforced_for(email) is not None:
            raise ValidationError(REQUIRED, code="sso_required")
        unique: str = super().validate_unique_email(email)
        return unique

    def clean_email(self, email: str) -> str:
        """Who is signed in adds no address of a domain that signs in elsewhere.

        Nor does anybody who is bound to such a sign-in leave it by another address.
        """
        cleaned: str = super().clean_email(email)
        acting = getattr(context.request, "user", None)
        if isinstance(acting, User) and (demanded_of(acting) or directory().enforced_for(cleaned)):
            raise ValidationError(REQUIRED, code="sso_required")
        return cleaned


def _record_asking(request: HttpRequest, user: User, claims: Claims) -> None:
    """A provider that has just asked the person confirms them as a password typed here would."""
    asked = asked_at(claims)
    if asked is not None:
        record_authentication(request, user, "socialaccount", reauthenticated=True, at=asked)


def _send_there(request: HttpRequest, user: User) -> HttpResponse:
    if is_headless_request(request):
        refusal = ValidationError(REQUIRED, code="sso_required")
        raise ImmediateHttpResponse(ErrorResponse(request, exception=refusal, status=403))
    messages.info(request, gettext(str(REQUIRED)))
    return redirect(f"{reverse('sso_start')}?{urlencode({'email': user.email})}")


def _refuse(request: HttpRequest) -> HttpResponse:
    if is_headless_request(request):
        refusal = ValidationError(SsoClosed.text, code=SsoClosed.code)
        raise ImmediateHttpResponse(ErrorResponse(request, exception=refusal, status=403))
    messages.error(request, str(SsoClosed.text))
    return redirect("account_login")
