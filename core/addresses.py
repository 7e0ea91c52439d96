"""The caller's network address, told alike for Django's requests and for bare ASGI."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings

Address = IPv4Address | IPv6Address


def caller_address(peer: str, forwarded: str) -> Address | None:
    """Who called: the peer, or behind `TRUSTED_PROXIES` proxies whom the outermost of them saw.

    `forwarded` is X-Forwarded-For as it came, several headers joined by commas. Each proxy appends
    who called it, so the last entries are written by proxies of ours and everything left of them
    is the caller's own claim. Without proxies the header is nobody's word and is ignored. None: no
    address can be told, which opens no list.
    """
    proxies: int = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    if proxies <= 0:
        return plain_address(peer)
    hops = forwarded.split(",")
    return plain_address(hops[-proxies]) if len(hops) >= proxies else None


def forwarded_in(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """X-Forwarded-For out of ASGI's headers, as WSGI gives it: all of them, in order."""
    given = (value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
    return ",".join(given)


def plain_address(text: str) -> Address | None:
    """An address without port, brackets or zone; an IPv4 one in IPv6 clothes as IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
