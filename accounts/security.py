"""Writing to people's security logs. The request in hand says from where."""

from typing import Any
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.core import context
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.models import SecurityEvent
from core.jsonsafe import clean
from core.trace import current_trace_id

Kind = SecurityEvent.Kind

# What allauth's notices are about, by the template of the mail.
NOTICES: dict[str, tuple[Kind, str]] = {
    "account/email/password_changed": (Kind.PASSWORD_CHANGED, ""),
    "account/email/password_set": (Kind.PASSWORD_CHANGED, ""),
    "account/email/password_reset": (Kind.PASSWORD_RESET, ""),
    "account/email/email_changed": (Kind.EMAIL_CHANGED, ""),
    "account/email/email_deleted": (Kind.EMAIL_REMOVED, ""),
    "mfa/email/totp_activated": (Kind.FACTOR_ADDED, "totp"),
    "mfa/email/totp_deactivated": (Kind.FACTOR_REMOVED, "totp"),
    "mfa/email/webauthn_added": (Kind.FACTOR_ADDED, "webauthn"),
    "mfa/email/webauthn_removed": (Kind.FACTOR_REMOVED, "webauthn"),
    "mfa/email/recovery_codes_generated": (Kind.CODES_RENEWED, ""),
}

# What lets somebody in has changed: who came in by what it was before stays no longer.
ENDS_OTHER_SESSIONS = frozenset(
    {
        Kind.PASSWORD_CHANGED,
        Kind.PASSWORD_RESET,
        Kind.FACTOR_ADDED,
        Kind.FACTOR_REMOVED,
        Kind.CODES_RENEWED,
    }
)


def note(kind: Kind, *, user_id: UUID | None, **data: Any) -> SecurityEvent:
    """Append one event. Never put a secret, or what somebody typed as an address, into `data`."""
    request = context.request
    return SecurityEvent.objects.create(
        user_id=user_id,
        kind=kind,
        ip=visitor_address(request),
        user_agent=clean(request.headers.get("User-Agent", ""))[:200] if request else "",
        data=clean(data),
        trace_id=current_trace_id(),
    )


def note_notice(template: str, user_id: UUID) -> Kind | None:
    """The event behind one of allauth's notices; mails that tell of no change have none."""
    kind, factor = NOTICES.get(template, (None, ""))
    if kind is not None:
        note(kind, user_id=user_id, **({"factor": factor} if factor else {}))
    return kind


def visitor_address(request: HttpRequest | None) -> str | None:
    """Behind as many proxies as TRUSTED_PROXIES says; None where no request is in hand."""
    if request is None:
        return None
    try:
        address: str = get_adapter().get_client_ip(request)
    except PermissionDenied:
        return None
    return address
