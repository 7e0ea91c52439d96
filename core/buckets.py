"""Token buckets: how often something may happen, evenly over time, with bursts.

A bucket holds up to `burst` tokens and gains `rate` a second; each happening takes one. Several
buckets can be asked at once: all of them give, or none. In Redis that is one script, by Redis' own
clock; embedded it is a dictionary of the one process there is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import redis
from django.conf import settings
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
MOST_KEPT = 20_000
"""Buckets kept in memory before those that are full again are thrown away."""

# KEYS: the buckets. ARGV: rate and burst of each. Returns how many milliseconds to wait, 0: taken.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local wait, left = 0, {}
for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[2 * i - 1]) / 1000, tonumber(ARGV[2 * i])
  local seen = redis.call('HMGET', key, 'tokens', 'at')
  local tokens = tonumber(seen[1] or burst)
  tokens = math.min(burst, tokens + math.max(0, now - tonumber(seen[2] or now)) * rate)
  if tokens < 1 then wait = math.max(wait, math.ceil((1 - tokens) / rate)) end
  left[i] = tokens
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, 'tokens', string.format('%.6f', left[i] - 1), 'at', string.format('%.3f', now))
  redis.call('PEXPIRE', key, math.ceil(ARGV[2 * i] / ARGV[2 * i - 1] * 1000) + 1000)
end
return 0
"""  # noqa: E501 - a statement of Lua


@dataclass(frozen=True, slots=True)
class Bucket:
    """`rate` in tokens a second, above 0; `burst` at least 1."""

    name: str
    rate: float
    burst: int


class Taking(Protocol):
    def take(self, buckets: Sequence[Bucket]) -> float:
        """Seconds to wait before it is worth asking again; 0: one token of each is taken."""
        ...


class MemoryBuckets:
    """For the one process of the embedded mode."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, float, Bucket]] = {}

    def take(self, buckets: Sequence[Bucket]) -> float:
        with self._lock:
            at = time.monotonic()
            left = [self._tokens(bucket, at) for bucket in buckets]
            short = zip(buckets, left, strict=True)
            wait = max(((1 - has) / each.rate for each, has in short if has < 1), default=0.0)
            if wait <= 0:
                for bucket, has in zip(buckets, left, strict=True):
                    self._seen[bucket.name] = (has - 1, at, bucket)
                if len(self._seen) > MOST_KEPT:
                    self._forget(at)
        return max(0.0, wait)

    def _tokens(self, bucket: Bucket, at: float) -> float:
        tokens, seen_at, _ = self._seen.get(bucket.name, (float(bucket.burst), at, bucket))
        return min(bucket.burst, tokens + (at - seen_at) * bucket.rate)

    def _forget(self, at: float) -> None:
        self._seen = {
            name: seen for name, seen in self._seen.items()
            if self._tokens(seen[2], at) < seen[2].burst
        }  # fmt: skip


class RedisBuckets:
    """For any number of processes. When Redis is away nobody waits: it is a courtesy."""

    def __init__(self, url: str) -> None:
        client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self._script: Any = client.register_script(_TAKE)

    def take(self, buckets: Sequence[Bucket]) -> float:
        keys = [f"loomwork:bucket:{bucket.name}" for bucket in buckets]
        rates = [value for bucket in buckets for value in (bucket.rate, bucket.burst)]
        try:
            return int(self._script(keys=keys, args=rates)) / 1000
        except RedisError:
            logger.warning("Redis does not answer; nothing is slowed down.", exc_info=True)
            return 0.0


@lru_cache(maxsize=4)
def _buckets(url: str) -> Taking:
    return RedisBuckets(url) if url else MemoryBuckets()


def take(buckets: Sequence[Bucket]) -> float:
    """Take a token from each of `buckets`, or none; returns the seconds to wait, 0 when taken.

    Names of buckets that are asked together share a hash tag (`{…}`) where Redis is a cluster.
    """
    return _buckets(settings.REDIS_URL).take(buckets)
