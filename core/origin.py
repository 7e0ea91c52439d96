"""Where a request came from: the caller's address and program, for whatever is written under it.

Set by `TraceMiddleware`; schedules, the engine and workers have no origin.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from core import addresses

AGENT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Origin:
    """`ip` is a valid address in its usual form, or None where none could be told."""

    ip: str | None = None
    user_agent: str = ""


NOWHERE = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def current_ip() -> str | None:
    return _current.get().ip


def current_user_agent() -> str:
    return _current.get().user_agent


def bind_origin(origin: Origin) -> Token[Origin]:
    return _current.set(origin)


def unbind_origin(token: Token[Origin]) -> None:
    _current.reset(token)


@contextmanager
def coming_from(ip: str | None, user_agent: str = "") -> Iterator[Origin]:
    """Hold an origin for the length of the block."""
    token = _current.set(Origin(ip, user_agent))
    try:
        yield _current.get()
    finally:
        _current.reset(token)


def origin_of(request: HttpRequest) -> Origin:
    agent = request.headers.get("User-Agent", "")[:AGENT_LENGTH]
    return Origin(client_ip(request), agent)


def client_ip(request: HttpRequest) -> str | None:
    """The caller's address, as allauth tells it for its rate limits.

    Behind `TRUSTED_PROXIES` proxies it is the entry of X-Forwarded-For that the outermost of them
    wrote; what stands left of it is the caller's own claim. Without proxies the header is ignored.
    """
    proxies: int = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    if proxies and hops != [""]:
        return plain_address(hops[-proxies]) if len(hops) >= proxies else None
    return plain_address(request.META.get("REMOTE_ADDR", ""))


def plain_address(text: str) -> str | None:
    """An address without port, brackets or zone, in its usual form."""
    found = addresses.plain_address(text)
    return str(found) if found else None
