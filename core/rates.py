"""How often somebody may ask: a sliding window of a minute, one atomic step a request.

The window slides by weighing: what was counted in the minute before counts by the part of it that
still lies within the last sixty seconds (two counters a caller, whatever the limit; the same
approximation that nginx-like gateways use). In Redis the step is one script, embedded it is a
dictionary of the one process there is.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import redis
from django.conf import settings
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
WINDOW = 60
MOST_NAMES = 20_000
"""Counters kept in memory before those of earlier minutes are thrown away."""

# KEYS: this window, the one before. ARGV: limit, weight of the one before, seconds to keep.
_STEP = """
local now = tonumber(redis.call('GET', KEYS[1]) or '0')
local before = tonumber(redis.call('GET', KEYS[2]) or '0')
if math.floor(before * tonumber(ARGV[2])) + now + 1 > tonumber(ARGV[1]) then
  return {now, before, 0}
end
now = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {now, before, 1}
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`now` and `before` as counted after this request; a refused one is not counted."""

    allowed: bool
    limit: int
    now: int
    before: int
    elapsed: float
    """Seconds since the window began."""

    @property
    def remaining(self) -> int:
        weight = 1 - self.elapsed / WINDOW
        return max(0, self.limit - self.now - math.floor(self.before * weight))

    @property
    def reset(self) -> int:
        """Seconds until this window ends."""
        return max(1, math.ceil(WINDOW - self.elapsed))

    @property
    def retry_after(self) -> int:
        """Seconds until one more request would be allowed, if nobody asks meanwhile."""
        if self.now < self.limit:
            free = 1 - (self.limit - self.now) / max(self.before, 1)
            wait = WINDOW * free - self.elapsed
        else:
            wait = WINDOW - self.elapsed + WINDOW * (1 - self.limit / self.now)
        return max(1, math.floor(wait) + 1)  # at the very moment itself it is not free yet


class Counter(Protocol):
    def step(self, name: str, limit: int, window: int, weight: float) -> tuple[int, int, bool]:
        """(counted in `window`, in the one before, whether this one was)."""
        ...


class MemoryCounter:
    """For the one process of the embedded mode."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[int, int, int]] = {}

    def step(self, name: str, limit: int, window: int, weight: float) -> tuple[int, int, bool]:
        with self._lock:
            at, now, before = self._counts.get(name, (window, 0, 0))
            if at != window:
                now, before = 0, (now if at == window - 1 else 0)
            allowed = math.floor(before * weight) + now + 1 <= limit
            now += allowed
            self._counts[name] = (window, now, before)
            if len(self._counts) > MOST_NAMES:
                self._forget(window)
        return now, before, allowed

    def _forget(self, window: int) -> None:
        self._counts = {
            name: found for name, found in self._counts.items() if found[0] >= window - 1
        }


class RedisCounter:
    """For any number of processes. When Redis is away nobody is refused: it is a courtesy."""

    def __init__(self, url: str) -> None:
        client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self._script: Any = client.register_script(_STEP)

    def step(self, name: str, limit: int, window: int, weight: float) -> tuple[int, int, bool]:
        keys = [f"loomwork:rate:{{{name}}}:{number}" for number in (window, window - 1)]
        try:
            now, before, allowed = self._script(keys=keys, args=[limit, weight, 2 * WINDOW])
        except RedisError:
            logger.warning("Redis does not answer; requests are not counted.", exc_info=True)
            return 0, 0, True
        return int(now), int(before), bool(allowed)


@lru_cache(maxsize=4)
def _counter(url: str) -> Counter:
    return RedisCounter(url) if url else MemoryCounter()


def count(name: str, limit: int, at: float | None = None) -> Verdict:
    """Count one request of `name`, at `at` (seconds since the epoch) or now."""
    window, elapsed = divmod(time.time() if at is None else at, WINDOW)
    weight = 1 - elapsed / WINDOW
    now, before, allowed = _counter(settings.REDIS_URL).step(name, limit, int(window), weight)
    return Verdict(allowed, limit, now, before, elapsed)


def headers_of(verdict: Verdict) -> dict[str, str]:
    """As in draft-ietf-httpapi-ratelimit-headers, in the form most clients read."""
    found = {
        "RateLimit-Limit": str(verdict.limit),
        "RateLimit-Remaining": str(verdict.remaining),
        "RateLimit-Reset": str(verdict.reset),
        "RateLimit-Policy": f"{verdict.limit};w={WINDOW}",
    }
    return found if verdict.allowed else found | {"Retry-After": str(verdict.retry_after)}
