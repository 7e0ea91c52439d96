"""The only client that leaves this installation: it connects to addresses it has vetted itself."""

import socket
import ssl
from collections.abc import Iterable
from types import SimpleNamespace

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType
from django.utils.translation import gettext as _

from core.http.addresses import Network, is_allowed
from core.http.errors import OutgoingRefused
from core.http.hosts import require_named

_KEEPALIVE_SECONDS = 60
_DNS_CACHE_SECONDS = 10


class VettingResolver(AbstractResolver):
    """Resolves names and hands on only addresses that may be called.

    The client connects to exactly these, so a name that changes its mind between check and
    connection (DNS rebinding) gains nothing.
    """

    def __init__(self, inner: AbstractResolver, allow: tuple[Network, ...]) -> None:
        self._inner = inner
        self._allow = allow

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        vetted = [entry for entry in found if is_allowed(entry["host"], self._allow)]
        if found and not vetted:
            raise OutgoingRefused(_("This address is not public."), host=host)
        return vetted

    async def close(self) -> None:
        await self._inner.close()


def client_session(
    *,
    allow: Iterable[Network] = (),
    limit: int = 100,
    timeout: aiohttp.ClientTimeout | None = None,
    verify: bool = True,
    resolver: AbstractResolver | None = None,
) -> aiohttp.ClientSession:
    """A pooled session that refuses addresses which are not allowed; call it inside the loop.

    `limit` caps its connections (0: none). No proxies, cookies or .netrc of the environment; a
    redirect is never followed: a request that would do so raises OutgoingRefused (pass
    `allow_redirects=False` to see it, or use `send`). `resolver` replaces the system's.
    """
    networks = tuple(allow)
    connector = aiohttp.TCPConnector(
        resolver=VettingResolver(resolver or aiohttp.ThreadedResolver(), networks),
        socket_factory=lambda info: _vetted_socket(info, networks),
        ssl=verify or _unverified(),
        limit=limit,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        ttl_dns_cache=_DNS_CACHE_SECONDS,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout or aiohttp.ClientTimeout(total=None, sock_connect=10),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        trace_configs=[_guarded()],
    )


def _vetted_socket(info: AddrInfoType, allow: tuple[Network, ...]) -> socket.socket:
    """Last gate before every connection: literal addresses never see the resolver."""
    family, kind, protocol, _name, address = info
    if not is_allowed(str(address[0]), allow):
        raise OutgoingRefused(_("This address is not public."), host=str(address[0]))
    return socket.socket(family, kind, protocol)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _guarded() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_refuse_unnamed)
    trace.on_request_redirect.append(_refuse_redirect)
    return trace


async def _refuse_unnamed(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestStartParams,
) -> None:
    """Names and literal addresses alike, before anything is looked up."""
    require_named((params.url.raw_host or "").lower().removesuffix("."))


async def _refuse_redirect(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestRedirectParams,
) -> None:
    raise OutgoingRefused(_("The server redirected elsewhere."), location=str(params.url))
