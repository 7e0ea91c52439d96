"""One id follows a piece of work through request, log, run, ledger and audit.

Wire form: `traceparent` of W3C Trace Context level 1, or any `X-Request-ID`.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token

from core.ids import new_trace_id

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_current: ContextVar[str] = ContextVar("trace_id", default="")


def current_trace_id() -> str:
    """The trace id in force here; one is made and kept when there is none."""
    if not _current.get():
        _current.set(new_trace_id())
    return _current.get()


def peek_trace_id() -> str:
    """The trace id in force, or "" where none was set."""
    return _current.get()


def bind_trace_id(value: str) -> Token[str]:
    return _current.set(value)


def unbind_trace_id(token: Token[str]) -> None:
    _current.reset(token)


@contextmanager
def tracing(value: str) -> Iterator[str]:
    """Hold `value` as the trace id for the length of the block."""
    token = _current.set(value)
    try:
        yield value
    finally:
        _current.reset(token)


def trace_id_from(headers: Mapping[str, str]) -> str:
    """The caller's trace id: from `traceparent`, else from `X-Request-ID`, else a new one.

    A request id that is no trace id (a UUID with dashes passes) is hashed into one, so that the
    same request id always leads to the same trace.
    """
    match = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if match and set(match[1]) != {"0"}:
        return match[1]
    given = headers.get("x-request-id", "").strip()[:200]
    return trace_id_of(given) if given else new_trace_id()


def trace_id_of(given: str) -> str:
    """The trace id that a request id, a `traceparent` or a trace id in any spelling stands for."""
    given = given.strip()[:200]
    match = _TRACEPARENT.fullmatch(given)
    if match:
        return match[1]
    compact = given.replace("-", "").lower()
    if _TRACE_ID.fullmatch(compact):
        return compact
    return hashlib.sha256(given.encode()).hexdigest()[:32]


def traceparent_of(trace_id: str) -> str:
    return f"00-{trace_id}-{trace_id[:16]}-01"
