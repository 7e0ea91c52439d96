"""Reading a URL the strict way: whatever two parsers could read differently is refused."""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

import idna
from django.utils.translation import gettext as _
from yarl import URL

from core.http.addresses import Address, Network, is_allowed
from core.http.errors import OutgoingRefused
from core.http.hosts import require_named

MAX_URL_LENGTH = 8192
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_START = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@%]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


def check_url(url: str, *, allow: Iterable[Network] = ()) -> URL:
    """The URL in normal form, if it may be called as far as its text tells.

    Only http and https, no userinfo, and a host that is a name or a canonical address which is
    allowed, and named where the operator names them (OUTGOING_ONLY). Names are judged again when
    they are resolved. Raises OutgoingRefused.
    """
    if len(url) > MAX_URL_LENGTH or _CONTROL.search(url):
        raise OutgoingRefused(_("The URL contains characters that do not belong in one."))
    if not _START.match(url):
        raise OutgoingRefused(_("Only http:// and https:// URLs with a host can be called."))
    parts = _split(url)
    match = _AUTHORITY.fullmatch(parts.netloc)
    if match is None or int(match["port"] or 80) not in range(1, 65536):
        raise OutgoingRefused(_("The host of the URL is not valid."))
    host = _host(match["host"])
    require_named(str(host))
    if not _may_call(host, tuple(allow)):
        raise OutgoingRefused(_("This address is not public."), host=str(host))
    return _same_everywhere(url, match["host"], host)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise OutgoingRefused(_("The URL is not valid.")) from error


def _host(text: str) -> Address | str:
    """The host as an address or as a lower-case ASCII name without its final dot."""
    try:
        if text.startswith("["):
            return IPv6Address(text[1:-1])
        name = (text if text.isascii() else _ascii(text)).lower().removesuffix(".")
        labels = name.split(".")
        if _NUMBER.fullmatch(labels[-1]):  # 127.1, 0x7f000001, 017700000001: only a.b.c.d passes
            return IPv4Address(text)
    except (AddressValueError, idna.IDNAError) as error:
        raise OutgoingRefused(_("The host of the URL is not valid.")) from error
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise OutgoingRefused(_("The host of the URL is not valid."))
    return name


def _ascii(name: str) -> str:
    """Strict IDNA 2008: full-width and circled look-alikes of ASCII are errors, not mapped."""
    return ".".join(idna.encode(label).decode("ascii") for label in name.split("."))


def _may_call(host: Address | str, allow: tuple[Network, ...]) -> bool:
    if not isinstance(host, str):
        return is_allowed(host, allow)
    if host == "localhost" or host.endswith(".localhost"):  # loopback by RFC 6761
        return any(is_allowed(address, allow) for address in _LOOPBACK)
    return True


def _same_everywhere(url: str, text: str, host: Address | str) -> URL:
    """Build the client's own URL and insist that it names the host we judged."""
    expected = host if isinstance(host, str) else host.compressed
    try:
        if not text.isascii():
            url = url.replace(text, expected, 1)
        parsed = URL(url)
    except ValueError as error:
        raise OutgoingRefused(_("The URL is not valid.")) from error
    seen = (parsed.raw_host or "").lower().removesuffix(".")
    if seen != expected or parsed.raw_user is not None or parsed.raw_password is not None:
        raise OutgoingRefused(_("The host of the URL can be read in two ways."))
    return parsed
