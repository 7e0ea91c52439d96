"""Where a request came from, with and without proxies, synchronous and not."""

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import RequestFactory

from core.middleware import TraceMiddleware
from core.origin import client_ip, current_ip, current_user_agent, plain_address


def request(forwarded="", **meta):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return RequestFactory().get("/", headers=headers, **meta)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "", "192.0.2.1"),
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.9.9.9, 203.0.113.9", "203.0.113.9"),
        (2, "10.9.9.9, 203.0.113.9, 198.51.100.1", "203.0.113.9"),
        (2, "203.0.113.9", None),
        (1, "not an address", None),
        (1, "", "192.0.2.1"),
    ],
)
def test_only_what_our_proxies_wrote_is_believed(settings, proxies, forwarded, expected):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies

    assert client_ip(request(forwarded, REMOTE_ADDR="192.0.2.1")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1:8080", "192.0.2.1"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", None),
        ("unix:", None),
    ],
)
def test_an_address_is_kept_in_its_plain_form(text, expected):
    assert plain_address(text) == expected


def answer(seen):
    seen.append((current_ip(), current_user_agent()))
    return HttpResponse()


def test_the_middleware_holds_the_origin_for_the_request_alone():
    seen = []
    middleware = TraceMiddleware(lambda _: answer(seen))

    middleware(request(REMOTE_ADDR="192.0.2.1", HTTP_USER_AGENT="a" * 500))

    assert seen == [("192.0.2.1", "a" * 200)]
    assert (current_ip(), current_user_agent()) == (None, "")


def test_the_middleware_does_so_asynchronously():
    seen = []

    async def view(_):
        return answer(seen)

    middleware = TraceMiddleware(view)
    async_to_sync(middleware)(request(REMOTE_ADDR="2001:db8::1", HTTP_USER_AGENT="curl/8"))

    assert seen == [("2001:db8::1", "curl/8")]
    assert current_ip() is None
