"""allauth's seams: what a sign-up stores, who may guess, what is noted, how secrets are kept."""

from typing import Any
from urllib.parse import urlsplit

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.stagekit import unstash_login
from allauth.account.internal.userkit import filter_users_by_email
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.internal.httpkit import is_headless_request
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _

from accounts import lockout
from accounts.actions.factors import note_new_factor
from accounts.actions.sessions import (
    end_families,
    end_oldest_sessions,
    end_other_sessions,
    end_rows,
)
from accounts.addresses import expected_signup
from accounts.letters import write_letter
from accounts.mail import compose, subject_line
from accounts.models import User
from accounts.notifications import SAFETY
from accounts.recovery import PREFIX, HashedCode
from accounts.security import ENDS_OTHER_SESSIONS, Kind, note, note_notice, visitor_address
from accounts.signup import run_signup_steps
from accounts.sso.guard import SsoGuard
from core.palette import BRAND
from core.secrets import seal, unseal

FACTOR_PLACE = "mfa_authenticator|data"
"""Where factors' secrets stand. allauth encrypts before a row has its key, so no row is named."""


class AccountAdapter(SsoGuard):
    @transaction.atomic
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        details = form.cleaned_data
        user.name = str(details.get("name") or "").strip()
        saved: User = super().save_user(request, user, form, commit)
        if commit:
            note(Kind.SIGNED_UP, user_id=saved.pk)
            invited = expected_signup(request).lower() == saved.email.lower()
            named = str(details.get("organization") or "").strip()
            run_signup_steps(saved, None if invited else named)
        return saved

    def clean_email(self, email: str) -> str:
        """Who comes by an invitation signs up with the address it was sent to."""
        request = context.request
        stranger = request is not None and not request.user.is_authenticated
        expected = expected_signup(request) if stranger else ""
        if expected and expected.lower() != email.lower():
            said = _("The invitation you opened was sent to %(email)s: sign up with this address.")
            raise ValidationError(said % {"email": expected})
        cleaned: str = super().clean_email(email)
        return cleaned

    # -- guessing

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """In place of allauth's one limit per address, which anybody could use up."""
        self._login_failed_rl_usage = lockout.consume(request, _login_of(credentials))
        if not self._login_failed_rl_usage:
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        # Known or not, an address costs one look-up and one row: time tells nothing apart.
        found = next(iter(filter_users_by_email(_login_of(credentials))), None)
        note(Kind.SIGN_IN_FAILED, user_id=found.pk if found else None)

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        lockout.forgive(request, _login_of(credentials))

    # -- what is noted

    def post_login(self, request: HttpRequest, user: User, **details: Any) -> HttpResponse:
        response = super().post_login(request, user, **details)
        if not request.user.is_authenticated:
            return response
        records = get_authentication_records(request, user)
        ways = dict.fromkeys(str(row.get("type") or row["method"]) for row in records)
        note(Kind.SIGNED_IN, user_id=user.pk, ways=list(ways))
        end_oldest_sessions(user=user, keep=request.session.session_key)
        if not is_headless_request(request):
            for address in {user.email, details.get("email") or user.email}:
                lockout.remember_device(request, response, address)
        return response

    def logout(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            note(Kind.SIGNED_OUT, user_id=request.user.pk)
            end_families(str(request.session.session_key))
            UserSession.objects.filter(session_key=request.session.session_key).delete()
        super().logout(request)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        confirmed: bool = super().confirm_email(request, email_address)
        if confirmed:
            note(Kind.EMAIL_CONFIRMED, user_id=email_address.user_id)
        return confirmed

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Every notice of allauth's comes through here, so this is where its changes are noted.

        It goes to the address the person has now: whoever changes that next is not the one to tell.
        """
        kind = note_notice(template_prefix, user.pk)
        if kind in ENDS_OTHER_SESSIONS:
            end_other_sessions(user=user, keep=_session_here())
        if kind == Kind.FACTOR_ADDED:
            note_new_factor(user)
        write_letter(
            SAFETY,
            user_id=user.pk,
            template=template_prefix,
            path=reverse("account_security_log"),
            email=email or EmailAddress.objects.get_primary_email(user),
            context={**_origin(), **{name: str(value) for name, value in (context or {}).items()}},
        )

    # -- how mail looks

    def format_email_subject(self, subject: str) -> str:
        return subject_line(subject)

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMultiAlternatives:
        """What allauth sends at once: codes and links, whose secrets no outbox may hold."""
        user = context.get("user")
        return compose(
            template_prefix,
            email if isinstance(email, str) else email[0],
            context,
            language=user.language if isinstance(user, User) else "",
            headers=headers,
        )


def _session_here() -> str:
    return context.request.session.session_key or ""


def _origin() -> dict[str, Any]:
    """From where the change was made, as allauth's notices say it."""
    request = context.request
    return {
        "ip": visitor_address(request) or "",
        "user_agent": request.headers.get("User-Agent", "")[:200] if request else "",
        "timestamp": f"{now():%Y-%m-%d %H:%M} UTC",
    }


def _login_of(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email") or credentials.get("username") or "").strip().lower()


class FactorAdapter(DefaultMFAAdapter):
    def encrypt(self, text: str) -> str:
        return seal(text, FACTOR_PLACE)

    def decrypt(self, encrypted_text: str) -> str:
        if encrypted_text.startswith(PREFIX):
            return HashedCode(encrypted_text.removeprefix(PREFIX))
        return unseal(encrypted_text, FACTOR_PLACE)

    def get_totp_issuer(self) -> str:
        return BRAND

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Bound to the name in PUBLIC_URL; without TLS to the name that was opened (localhost)."""
        host = urlsplit(settings.PUBLIC_URL).hostname if settings.HTTPS else None
        return {"id": host or context.request.get_host().partition(":")[0], "name": BRAND}

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        if code == "incorrect_code":
            note(Kind.FACTOR_FAILED, user_id=_whose_turn(context.request))
        return super().validation_error(code, *args)


def _whose_turn(request: HttpRequest) -> Any:
    """Who is asked for a factor: somebody signed in, or somebody half way in."""
    if request.user.is_authenticated:
        return request.user.pk
    login = unstash_login(request, peek=True)
    return login.user.pk if login and login.user else None


class SessionsAdapter(DefaultUserSessionsAdapter):
    def end_sessions(self, sessions: Any) -> None:
        end_rows(sessions)
