"""Identifiers: UUIDv7 for everything public, W3C-shaped trace ids."""

import os
import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    """A time-ordered UUID (RFC 9562, version 7): milliseconds, then 12 bits of fraction.

    The fraction in `rand_a` keeps ids of one process in order within a millisecond, so index
    pages fill from the right.
    """
    nanos = time.time_ns()
    millis, rest = divmod(nanos, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=(millis << 80) | (7 << 76) | (fraction << 64) | (2 << 62) | tail)


def new_trace_id() -> str:
    """32 lower-case hex characters, never all zero (W3C Trace Context)."""
    return secrets.token_hex(16)
