"""Whether somebody has a second factor, and whether they need one."""

from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.conf import settings

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""Recovery codes alone are none: they stand in for one of these."""


def has_second_factor(user_id: UUID | None) -> bool:
    """One indexed query; ask once per request, or through `request_has_factor`."""
    if user_id is None:
        return False
    return bool(Authenticator.objects.filter(user_id=user_id, type__in=FACTORS).exists())


def request_has_factor(request: Any) -> bool:
    """The same for the person behind a Django or DRF request, found once."""
    plain = getattr(request, "_request", request)
    known = getattr(plain, "_loomwork_factor", None)
    if known is None or known[0] != request.user.pk:
        known = (request.user.pk, has_second_factor(request.user.pk))
        plain._loomwork_factor = known  # noqa: SLF001 - our own mark on the request
    return bool(known[1])


def staff_may_enter(request: Any) -> bool:
    """Whether REQUIRE_SECOND_FACTOR lets this operator into the console."""
    asked = settings.REQUIRE_SECOND_FACTOR != "none" or request.user.factor_due
    return not asked or request_has_factor(request)


def factor_demanded(user: Any) -> bool:
    """Whether the installation asks this person for one, whatever their organizations do."""
    return bool(settings.REQUIRE_SECOND_FACTOR == "everyone" or user.factor_due)
