"""Which IP addresses may be called.

Python's `is_global` calls cloud metadata services, translated loopback and deprecated tunnels
global, so the lists are our own: the IANA IPv4 and IPv6 Special-Purpose Address Registries
(iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry), whole blocks without
their few reachable exceptions. IPv6 is allowed only inside global unicast space, 2000::/3.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private use
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host agent, in public space
        "169.254.0.0/16",  # link local; metadata services
        "172.16.0.0/12",  # private use
        "192.0.0.0/24",  # IETF protocol assignments; Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private use
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID, AMT
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: a tunnel to whatever IPv4 address it embeds
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # the former 6bone
        "3fff::/20",  # documentation
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # upper half of an interface id that embeds IPv4, RFC 5214


def unwrap(address: Address) -> Address:
    """The IPv4 address that packets to `address` reach, where a translator stands in between.

    IPv4-mapped addresses are IPv4 to the socket; NAT64 (RFC 6052) is how IPv6-only networks
    reach IPv4. Other embeddings (compatible, 6to4, Teredo) are refused whole.
    """
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether the address is an ordinary host of the public internet."""
    address = unwrap(address)
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _SPECIAL_V4)
    if address not in _GLOBAL_V6 or any(address in block for block in _SPECIAL_V6):
        return False
    return (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP


def is_allowed(address: Address | str, allow: Iterable[Network] = ()) -> bool:
    """Whether we may connect: public, or opened by the operator (OUTGOING_ALLOW) or by `allow`."""
    if isinstance(address, str):
        if "%" in address:  # a scoped address is link local
            return False
        address = ip_address(address)
    target = unwrap(address)
    opened = (*settings.OUTGOING_ALLOW, *allow)
    if any(target.version == block.version and target in block for block in opened):
        return True
    return is_public(target)
