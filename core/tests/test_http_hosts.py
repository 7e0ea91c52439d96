"""Where the operator names the hosts that may be called, no other is, in whatever way."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from pytest_django.fixtures import Settings

from config.env import hosts_in
from core.http import OutgoingRefused, check_url, client_session, send
from core.tests.servers import LocalServer
from core.tests.test_http_send import ScriptedResolver, answer

NAMED = ["api.example.com", "*.corp.example", "127.0.0.1", "2001:200::/32"]


@pytest.fixture(autouse=True)
def _named(settings: Settings) -> None:
    settings.OUTGOING_ONLY = hosts_in(",".join(NAMED))


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "https://API.Example.COM./v1",
        "https://a.corp.example/",
        "https://a.b.corp.example/",
        "http://127.0.0.1:8000/",
        "http://[2001:200::7]/",
    ],
)
def test_what_is_named_may_be_called(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://x.api.example.com/",
        "https://corp.example/",
        "https://evilcorp.example/",
        "https://api.example.com.evil.test/",
        "https://8.8.8.8/",
        "http://127.0.0.2/",
        "http://[2001:201::7]/",
        "https://xn--api-.example.com/",
    ],
)
def test_what_is_not_named_is_refused(url: str) -> None:
    with pytest.raises(OutgoingRefused):
        check_url(url)


def test_a_named_address_must_still_be_open(settings: Settings) -> None:
    settings.OUTGOING_ONLY = hosts_in("10.0.0.0/8")

    with pytest.raises(OutgoingRefused):
        check_url("http://10.1.2.3/")


async def test_a_redirect_leads_to_no_other_host() -> None:
    resolver = ScriptedResolver(["127.0.0.1"])
    with LocalServer(answer) as server:
        there = f"http://other.example:{server.port}/echo"
        with pytest.raises(OutgoingRefused):
            await send("GET", f"{server.url}/to?status=302&url={there}", resolver=resolver)
        on = f"http://in.corp.example:{server.port}/echo"
        found = await send("GET", f"{server.url}/to?status=302&url={on}", resolver=resolver)

    assert found.status == 200
    assert [seen.path for seen in server.requests] == ["/to", "/to", "/echo"]


async def test_a_long_lived_session_calls_no_other_host() -> None:
    async with client_session(resolver=ScriptedResolver(["127.0.0.1"])) as session:
        with LocalServer(_ok) as server:
            for host in ("other.example", "127.0.0.2", "localhost"):
                with pytest.raises(OutgoingRefused):
                    await session.get(f"http://{host}:{server.port}/")
            async with session.get(f"http://in.corp.example:{server.port}/") as response:
                assert response.status == 200
        assert len(server.requests) == 1


async def _ok(request: web.Request) -> web.Response:
    return web.Response()


def test_patterns_are_typed_and_a_wrong_one_is_named() -> None:
    assert hosts_in(" API.example.com, 10.0.0.0/8,, *.x.test ") == [
        "api.example.com",
        ip_network("10.0.0.0/8"),
        "*.x.test",
    ]
    for wrong in ("*", "*x.test", "a.*.test", "http://a.test", "a.test:80", "10.0.0.1/8", "1.2.3"):
        with pytest.raises(ValueError, match="neither"):
            hosts_in(wrong)
