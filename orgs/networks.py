"""From where a key may be used: a list of addresses and networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from core.addresses import Address
from orgs.errors import InvalidAddressList

MOST = 50
Network = IPv4Network | IPv6Network


def normalise(given: Iterable[str]) -> list[str]:
    """Each address or CIDR block once, in its usual form, host bits cleared.

    Raises InvalidAddressList for what is neither, and for more than fifty.
    """
    wanted = [text.strip() for text in given if text.strip()]
    if len(wanted) > MOST:
        raise InvalidAddressList("A key has at most 50 allowed addresses.", most=MOST)
    wrong = [text[:60] for text in wanted if _network(text) is None]
    if wrong:
        raise InvalidAddressList("These are no addresses or networks.", wrong=wrong)
    return list(dict.fromkeys(_written(network) for text in wanted if (network := _network(text))))


def admits(allowed: Sequence[str], address: Address | None) -> bool:
    """Whether `address` is in the list; an empty one admits everybody."""
    if not allowed:
        return True
    return address is not None and any(address in network for network in _read(tuple(allowed)))


@lru_cache(maxsize=4096)
def _read(allowed: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(network for text in allowed if (network := _network(text)))


def _network(text: str) -> Network | None:
    try:
        network = ip_network(text, strict=False)
        if "%" in text:  # a zone means something on one machine only
            return None
    except ValueError:
        return None
    return _unmapped(network)


def _unmapped(network: Network) -> Network:
    """`::ffff:10.0.0.0/104` means IPv4: callers are told in that form."""
    first = network.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped and network.prefixlen >= 96:
        return IPv4Network((first.ipv4_mapped, network.prefixlen - 96))
    return network


def _written(network: Network) -> str:
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address if whole else network)
