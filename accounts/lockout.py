"""Guessing is stopped, and nobody can use that to keep somebody else out.

Three kinds of visitors are counted apart:

- a device that has signed this person in before (a signed cookie says so, as OWASP's "device
  cookies" do), or a session that is signed in: by the device or session alone. Whatever anybody
  else does under the person's address, it does not count here;
- every other: by the address and the visitor's network together, so that wrong passwords from one
  place do not close the door to another;
- all of the latter together, per address and hour, so that a thousand places cannot each have
  their five guesses. When that is used up, known devices, passkeys and the reset by mail remain.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from allauth.core.internal import ratelimit
from allauth.core.internal.ratelimit import RateLimitUsage
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from accounts.security import visitor_address

COOKIE = settings.COOKIE_PREFIX + "loomwork_device"
LIFETIME = 180 * 24 * 3600
PEOPLE_PER_DEVICE = 8
_SALT = "accounts.device"
_APP = "accounts"


def consume(request: HttpRequest, login: str) -> RateLimitUsage | None:
    """Take one guess at `login`'s password; None when there is none left.

    `rollback()` of what comes back gives the guess back after a right password.
    """
    usage = RateLimitUsage(usage=[])
    for action, key in _buckets(request, login):
        taken = _take(request, action, key)
        if taken is None:
            return None
        usage.usage += taken.usage
    return usage


def forgive(request: HttpRequest, login: str) -> None:
    """Forget all guesses at `login`: who reset the password by mail has shown who they are."""
    for action, key in _buckets(request, login):
        if action != "visitor":
            _clear(request, action, key)


def may_refresh(request: HttpRequest) -> bool:
    """Whether this visitor may exchange a refresh token now."""
    return _take(request, "refresh", "") is not None


def _buckets(request: HttpRequest, login: str) -> list[tuple[str, str]]:
    login = login.strip().lower()
    if request.user.is_authenticated and request.session.session_key:
        return [("session", str(request.session.session_key))]
    device = device_of(request, login)
    if device:
        return [("device", f"{device}:{login}")]
    place = ratelimit.truncate_ip(visitor_address(request) or "")
    return [("visitor", ""), ("place", f"{login}:{place}"), ("strangers", login)]


def _take(request: HttpRequest, action: str, key: str) -> RateLimitUsage | None:
    return ratelimit.consume(
        request, app=_APP, action=action, key=key, config=settings.SIGN_IN_LIMITS, limit_get=True
    )


def _clear(request: HttpRequest, action: str, key: str) -> None:
    ratelimit.clear(request, app=_APP, action=action, key=key, config=settings.SIGN_IN_LIMITS)


# -- known devices


def _read(request: HttpRequest) -> dict[str, Any]:
    try:
        found = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return {}
    return found if isinstance(found, dict) else {}


def _mark(login: str) -> str:
    return hashlib.sha256(login.encode()).hexdigest()[:24]


def device_of(request: HttpRequest, login: str) -> str:
    """The device's id when it has signed `login` in before, else ""."""
    found = _read(request)
    return str(found.get("id", "")) if _mark(login) in found.get("people", []) else ""


def remember_device(request: HttpRequest, response: HttpResponse, login: str) -> None:
    found = _read(request)
    mark = _mark(login.strip().lower())
    people = [mark, *(each for each in found.get("people", []) if each != mark)]
    known = {"id": found.get("id") or secrets.token_hex(16), "people": people[:PEOPLE_PER_DEVICE]}
    response.set_cookie(
        COOKIE,
        signing.dumps(known, salt=_SALT),
        max_age=LIFETIME,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
