"""Which hosts may be called at all, where the operator has named them (OUTGOING_ONLY)."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.utils.translation import gettext as _

from core.http.addresses import unwrap
from core.http.errors import OutgoingRefused


def require_named(host: str) -> None:
    """Raise OutgoingRefused unless `host` fits one of OUTGOING_ONLY; where none is set, all do.

    `host` is a lower-case ASCII name or an address. `example.com` fits itself alone,
    `*.example.com` whatever is below it, a network the addresses in it: an address that a name
    leads to is not asked about here, for its name was.
    """
    if settings.OUTGOING_ONLY and not any(_fits(host, each) for each in settings.OUTGOING_ONLY):
        raise OutgoingRefused(_("This installation does not call that host."), host=host[:253])


def _fits(host: str, pattern: object) -> bool:
    if isinstance(pattern, str):
        return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
    address = _address(host)
    return (
        address is not None and address.version == pattern.version and address in pattern  # type: ignore[attr-defined,operator]  # a network
    )


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return unwrap(ip_address(host))
    except ValueError:
        return None
