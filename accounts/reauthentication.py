"""Whether the person sits there now, for what a stolen session must not be able to do."""

import time
from typing import Any

from allauth.account import app_settings
from django.contrib.sessions.backends.base import SessionBase

from accounts.errors import ReauthenticationRequired
from accounts.tokens import session_of

_RECORDS, _WHOSE = "account_authentication_methods", "account_authentication_methods_user"


def session_behind(request: Any) -> SessionBase | None:
    """The session of a page, or the one an access token belongs to."""
    claims = getattr(request, "auth", None)
    if isinstance(claims, dict) and "sid" in claims:
        return session_of(claims)
    session: SessionBase | None = getattr(getattr(request, "_request", request), "session", None)
    return session


def recently_confirmed(request: Any) -> bool:
    """By password or factor, within allauth's REAUTHENTICATION_TIMEOUT (five minutes)."""
    session = session_behind(request)
    if session is None or session.get(_WHOSE) != str(request.user.pk):
        return False
    records = session.get(_RECORDS, [])
    newest = max((row["at"] for row in records if row.get("reauthenticated")), default=0.0)
    return bool(time.time() - newest < app_settings.REAUTHENTICATION_TIMEOUT)


def require_confirmed(request: Any) -> None:
    """Raise ReauthenticationRequired; `POST auth/app/v1/auth/reauthenticate` is the way on."""
    if not recently_confirmed(request):
        raise ReauthenticationRequired("Confirm that it is you, then try again.")
