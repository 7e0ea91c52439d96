"""One outgoing call against real local servers: redirects, rebinding, caps, timeouts."""

import asyncio
import gzip
import json
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from pytest_django.fixtures import Settings

from core.http import (
    OutgoingRefused,
    OutgoingTimeout,
    OutgoingTooLarge,
    OutgoingUnreachable,
    client_session,
    send,
)
from core.tests.servers import LocalServer

BOMB = gzip.compress(b"\0" * 50_000_000)


async def answer(request: web.Request) -> web.StreamResponse:
    """`/echo`, `/bytes/N`, `/to?status=…&url=…`, `/round`, `/slow`, `/trickle`, `/bomb`, `/cut`."""
    kind, _, rest = request.path.strip("/").partition("/")
    if kind == "bytes":
        return web.Response(body=b"x" * int(rest))
    if kind == "to":
        status = int(request.query["status"])
        return web.Response(status=status, headers={"Location": request.query["url"]})
    if kind == "round":
        return web.Response(status=302, headers={"Location": "/round"})
    if kind == "slow":
        await asyncio.sleep(30)
    if kind == "bomb":
        return web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})
    if kind in {"trickle", "cut"}:
        return await _stream(request, kind)
    seen = {"method": request.method, "headers": dict(request.headers)}
    return web.json_response(seen | {"body": (await request.read()).decode("utf-8", "replace")})


async def _stream(request: web.Request, kind: str) -> web.StreamResponse:
    response = web.StreamResponse()
    if kind == "cut":
        response.content_length = 1000
    await response.prepare(request)
    for _ in range(1000):
        await response.write(b"x" * 10)
        if kind == "cut":
            assert request.transport is not None
            request.transport.close()
            break
        await asyncio.sleep(0.02)
    return response


class ScriptedResolver(AbstractResolver):
    """Answers a name differently each time it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host, host=ip, port=port, family=socket.AF_INET, proto=0, flags=0
            )
            for ip in found
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
def server(settings: Settings) -> Iterator[LocalServer]:
    """Only 127.0.0.1 may be called; 127.0.0.2 stands for everything inside."""
    settings.OUTGOING_ALLOW = [ip_network("127.0.0.1/32")]
    with LocalServer(answer) as running:
        yield running


async def test_a_plain_call_carries_headers_parameters_and_body(server: LocalServer) -> None:
    response = await send(
        "post",
        f"{server.url}/echo?a=1",
        headers={"X-Kind": "test", "Content-Length": "999", "Transfer-Encoding": "chunked"},
        params={"b": "zwei & drei"},
        data=b"hello",
    )
    (seen,) = server.requests
    assert (response.status, seen.method, seen.query) == (200, "POST", "a=1&b=zwei+%26+drei")
    assert (seen.body, seen.headers["X-Kind"]) == (b"hello", "test")
    assert seen.headers["Content-Length"] == "5"
    assert json.loads(response.text)["method"] == "POST"
    assert response.headers["content-type"].startswith("application/json")


async def test_forms_are_sent_whole_even_through_a_redirect(server: LocalServer) -> None:
    form = aiohttp.FormData({"name": "x"})
    form.add_field("file", b"\x00\x01data", filename="a.bin")
    target = f"{server.url}/echo"
    await send("POST", f"{server.url}/to?status=307&url={target}", data=form)
    assert [seen.method for seen in server.requests] == ["POST", "POST"]
    assert b"\x00\x01data" in server.requests[1].body
    assert server.requests[0].body == server.requests[1].body


@pytest.mark.parametrize(
    ("status", "method", "arrives"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
async def test_a_redirect_keeps_or_drops_the_body_by_the_rules(
    server: LocalServer, status: int, method: str, arrives: str
) -> None:
    data = None if method == "HEAD" else "payload"
    await send(method, f"{server.url}/to?status={status}&url=/echo", data=data)
    last = server.requests[-1]
    assert last.method == arrives
    assert (last.body == b"payload") is (arrives in {"POST", "PUT"})
    assert ("Content-Type" in last.headers) is (arrives in {"POST", "PUT"})


async def test_credentials_stay_with_the_origin_they_were_meant_for(server: LocalServer) -> None:
    headers = {"Authorization": "Bearer abc", "X-Api-Key": "abc", "Cookie": "a=b", "X-Kind": "k"}
    with LocalServer(answer) as other:
        await send("GET", f"{server.url}/to?status=302&url=/echo", headers=headers)
        await send("GET", f"{server.url}/to?status=302&url={other.url}/echo", headers=headers)
    same, foreign = server.requests[1].headers, other.requests[0].headers
    assert {name: same.get(name) for name in headers} == headers
    assert {name for name in headers if name in foreign} == {"X-Kind"}


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706434/",
        "//10.0.0.1/x",
        "file:///etc/passwd",
        "http://user@127.0.0.1/",
        "gopher://127.0.0.1/",
    ],
)
async def test_a_redirect_to_a_forbidden_address_is_refused(
    server: LocalServer, target: str
) -> None:
    with pytest.raises(OutgoingRefused):
        await send("GET", f"{server.url}/to", params={"status": "302", "url": target})
    assert len(server.requests) == 1


async def test_redirects_have_an_end_and_none_means_none(server: LocalServer) -> None:
    with pytest.raises(OutgoingRefused):
        await send("GET", f"{server.url}/round")
    assert len(server.requests) == 4
    response = await send("GET", f"{server.url}/round", max_redirects=0)
    assert response.status == 302


async def test_a_name_that_resolves_inside_is_refused(server: LocalServer) -> None:
    url = f"http://attacker.example:{server.port}/echo"
    for inside in ("127.0.0.2", "10.0.0.1", "169.254.169.254"):
        with pytest.raises(OutgoingRefused):
            await send("GET", url, resolver=ScriptedResolver([inside]))
    assert server.requests == []


async def test_a_name_that_changes_its_mind_gains_nothing(server: LocalServer) -> None:
    url = f"http://attacker.example:{server.port}/to?status=302&url=http://b.example:{server.port}/"
    resolver = ScriptedResolver(["127.0.0.1"], ["127.0.0.2"])
    with pytest.raises(OutgoingRefused):
        await send("GET", url, resolver=resolver)
    assert len(server.requests) == 1


async def test_of_a_mixed_answer_only_vetted_addresses_are_used(server: LocalServer) -> None:
    url = f"http://mixed.example:{server.port}/echo"
    resolver = ScriptedResolver(["127.0.0.2", "10.0.0.1", "127.0.0.1"])
    assert (await send("GET", url, resolver=resolver)).status == 200


async def test_a_long_lived_session_guards_names_literals_and_redirects(
    server: LocalServer,
) -> None:
    async with client_session(resolver=ScriptedResolver(["127.0.0.2"])) as session:
        for url in ("http://127.0.0.2:1/", "http://[::1]:1/", f"http://in.example:{server.port}/"):
            with pytest.raises(OutgoingRefused):
                await session.get(url)
        with pytest.raises(OutgoingRefused):
            await session.get(f"{server.url}/to?status=302&url=/echo")
        assert len(server.requests) == 1
        for _ in range(5):
            async with session.get(f"{server.url}/echo") as response:
                assert response.status == 200


async def test_proxies_of_the_environment_are_ignored(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    assert (await send("GET", f"{server.url}/echo")).status == 200


@pytest.mark.parametrize("path", ["/bytes/2000", "/trickle", "/bomb"])
async def test_an_answer_beyond_the_cap_is_cut_off(server: LocalServer, path: str) -> None:
    with pytest.raises(OutgoingTooLarge) as failure:
        await send("GET", server.url + path, max_bytes=1000)
    assert (failure.value.code, failure.value.status) == ("outgoing_too_large", 502)


async def test_an_answer_of_exactly_the_cap_passes(server: LocalServer) -> None:
    assert len((await send("GET", f"{server.url}/bytes/1000", max_bytes=1000)).body) == 1000


@pytest.mark.parametrize("path", ["/slow", "/trickle"])
async def test_the_time_limit_covers_headers_and_body(server: LocalServer, path: str) -> None:
    start = time.monotonic()
    with pytest.raises(OutgoingTimeout) as failure:
        await send("GET", server.url + path, timeout=0.3)
    assert time.monotonic() - start < 2
    assert (failure.value.code, failure.value.status) == ("outgoing_timeout", 504)


async def test_what_cannot_be_reached_says_so(server: LocalServer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        for url in (closed, f"{server.url}/cut", f"https://127.0.0.1:{server.port}/"):
            with pytest.raises(OutgoingUnreachable) as failure:
                await send("GET", url)
            assert (failure.value.code, failure.value.status) == ("outgoing_unreachable", 502)


async def test_a_name_nobody_knows_is_unreachable() -> None:
    with pytest.raises(OutgoingUnreachable):
        await send("GET", "http://nobody.invalid/")


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"X-A": "b\r\nInjected: yes"}),
        ("GET", {"X-A\r\nB": "c"}),
        ("GE T", {}),
        ("CONNECT", {}),
        ("G\r\nX: y", {}),
    ],
)
async def test_what_is_not_valid_http_is_never_sent(
    server: LocalServer, method: str, headers: dict[str, str]
) -> None:
    with pytest.raises(OutgoingRefused):
        await send(method, server.url, headers=headers)
    assert server.requests == []
