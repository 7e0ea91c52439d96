"""How often a caller may ask: by key, by person, or by address while nobody is named."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.throttling import BaseThrottle

from core.middleware import RATE_MARK
from core.origin import current_ip
from core.rates import Verdict, count
from orgs.keys import KeyInfo


class CallerThrottle(BaseThrottle):
    """DRF's door to `core.rates`. One request is counted once, however often it is asked."""

    def allow_request(self, request: Any, view: Any) -> bool:
        verdict = measure(request)
        self._wait = verdict.retry_after if verdict and not verdict.allowed else None
        return self._wait is None

    def wait(self) -> float | None:
        return self._wait


def measure(request: Any) -> Verdict | None:
    """Count a DRF request whose caller is known by now; None where nothing limits."""
    if isinstance(info := request.auth, KeyInfo):
        return _count(request, f"key:{info.key_id}", settings.API_RATE)
    if request.user is not None and request.user.is_authenticated:
        return _count(request, f"user:{request.user.pk}", settings.API_RATE)
    return measure_stranger(request)


def measure_stranger(request: Any) -> Verdict | None:
    """Count a request by its address: nobody is named, or somebody by a wrong credential.

    All whose address cannot be told share one count.
    """
    return _count(request, f"ip:{current_ip()}", settings.API_RATE_ANONYMOUS)


def _count(request: Any, name: str, limit: int) -> Verdict | None:
    plain = getattr(request, "_request", request)
    verdict: Verdict | None = getattr(plain, RATE_MARK, None)
    if verdict is None and limit:
        verdict = count(name, limit)
        setattr(plain, RATE_MARK, verdict)
    return verdict
