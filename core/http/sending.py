"""One call, redirects, limits and all: what nodes, tools and webhooks send."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver
from django.utils.translation import gettext as _
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from core.http.addresses import Network
from core.http.errors import (
    OutgoingRefused,
    OutgoingTimeout,
    OutgoingTooLarge,
    OutgoingUnreachable,
)
from core.http.session import client_session
from core.http.urls import check_url

Body = bytes | str | aiohttp.FormData | Mapping[str, str]
Params = Mapping[str, str] | list[tuple[str, str]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_METHOD = re.compile(r"[A-Z]{1,20}")
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "te", "transfer-encoding", "upgrade"}
)
_OF_THE_BODY = frozenset({"content-type", "content-encoding", "content-language"})
_CREDENTIAL = re.compile(
    r"auth|cookie|token|secret|key|password|session|signature|^host$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer; `url` is the last one asked, after redirects."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body by the charset its type names, else UTF-8; never fails."""
        match = _CHARSET.search(self.headers.get("Content-Type", ""))
        try:
            return self.body.decode(match[1] if match else "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class _Hop:
    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes | str | None


async def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Params | None = None,
    data: Body | None = None,
    timeout: float = 30.0,
    connect_timeout: float = 10.0,
    max_bytes: int = 10 * 1024 * 1024,
    max_redirects: int = 3,
    verify: bool = True,
    allow: Iterable[Network] = (),
    resolver: AbstractResolver | None = None,
) -> Response:
    """Send one request and read the whole answer, whatever its status.

    Times are in seconds, `timeout` for everything together; `max_bytes` counts the decoded body.
    Up to `max_redirects` redirects are followed, each vetted like the first address; with 0 the
    redirect itself is the answer. Credentials are not sent on to another origin.
    Raises OutgoingRefused, OutgoingUnreachable, OutgoingTimeout, OutgoingTooLarge.
    """
    networks = tuple(allow)
    limits = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
    async with _failures_named(timeout), asyncio.timeout(timeout):
        hop = await _first_hop(method, check_url(url, allow=networks), headers, params, data)
        async with client_session(
            allow=networks, timeout=limits, verify=verify, resolver=resolver
        ) as session:
            for _hop in range(max_redirects + 1):
                async with _request(session, hop) as answer:
                    location = answer.headers.get("Location") if max_redirects else None
                    if location is None or answer.status not in _REDIRECTS:
                        return await _read(answer, max_bytes)
                target = check_url(urljoin(str(hop.url), location), allow=networks)
                hop = _redirected(hop, answer.status, target)
    raise OutgoingRefused(_("The server redirects too often."), redirects=max_redirects)


async def _first_hop(
    method: str,
    url: URL,
    headers: Mapping[str, str] | None,
    params: Params | None,
    data: Body | None,
) -> _Hop:
    method = method.upper()
    if not _METHOD.fullmatch(method) or method in {"CONNECT", "TRACE"}:
        raise OutgoingRefused(_("This HTTP method cannot be used."), method=method[:20])
    sent = CIMultiDict(
        (name, value) for name, value in (headers or {}).items() if name.lower() not in _FRAMING
    )
    if isinstance(data, Mapping):
        data = aiohttp.FormData(data)
    if isinstance(data, aiohttp.FormData):  # rendered once, so that a redirect can repeat it
        payload = data()
        sent.setdefault("Content-Type", payload.headers["Content-Type"])
        data = await payload.as_bytes()
    return _Hop(method, url.extend_query(params) if params else url, sent, data)


def _request(session: aiohttp.ClientSession, hop: _Hop) -> "aiohttp.client._RequestContextManager":
    return session.request(
        hop.method, hop.url, headers=hop.headers, data=hop.body, allow_redirects=False
    )


async def _read(answer: aiohttp.ClientResponse, max_bytes: int) -> Response:
    if (answer.content_length or 0) > max_bytes:
        raise OutgoingTooLarge(_("The answer is too large."), limit=max_bytes)
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise OutgoingTooLarge(_("The answer is too large."), limit=max_bytes)
    return Response(answer.status, answer.headers, bytes(body), str(answer.url))


def _redirected(hop: _Hop, status: int, target: URL) -> _Hop:
    """The next request by RFC 9110, 15.4, with the browsers' turn of POST into GET."""
    dropped = status == HTTPStatus.SEE_OTHER and hop.method != "HEAD"
    dropped = dropped or (status in {301, 302} and hop.method == "POST")
    foreign = target.origin() != hop.url.origin()
    headers = CIMultiDict(
        (name, value)
        for name, value in hop.headers.items()
        if not (foreign and _CREDENTIAL.search(name))
        and not (dropped and name.lower() in _OF_THE_BODY)
    )
    if dropped:
        return _Hop("GET", target, headers, None)
    return _Hop(hop.method, target, headers, hop.body)


@asynccontextmanager
async def _failures_named(timeout: float) -> AsyncIterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise OutgoingTimeout(_("The server did not answer in time."), seconds=timeout) from error
    except (aiohttp.ClientError, OSError) as error:
        reason = str(error)[:300]
        raise OutgoingUnreachable(_("The server could not be reached."), reason=reason) from error
    except (ValueError, TypeError) as error:  # a header or parameter that cannot be written
        reason = str(error)[:300]
        raise OutgoingRefused(_("The request is not valid HTTP."), reason=reason) from error
