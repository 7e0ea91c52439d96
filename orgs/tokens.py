"""The form of a key's token: `lw_<8 prefix>_<43 base64url><6 checksum>`.

The secret part has 256 random bits. The checksum is the CRC-32 of all that stands before it, in
base 62 (digits, then A-Z, then a-z): a mistyped token is told without asking the database, and a
scanner that finds one in a repository knows that it is real. It protects nothing: whoever invents a
token can compute it. Tokens of the first form, which end after the 43, are still read.

A fast keyed hash is enough for such a secret (no dictionary reaches 256 bits); the pepper is
derived from SECRET_KEY, so a stolen table alone verifies nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib

from django.conf import settings

PREFIX_LENGTH = 8
_TOKEN = re.compile(r"(lw_([a-z0-9]{8})_[A-Za-z0-9_-]{43})([0-9A-Za-z]{6})?", re.ASCII)
_PREFIX = string.ascii_lowercase + string.digits
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def make_token() -> tuple[str, str, str]:
    """(token to show once, its prefix, the digest to store)."""
    prefix = "".join(secrets.choice(_PREFIX) for _ in range(PREFIX_LENGTH))
    body = f"lw_{prefix}_{secrets.token_urlsafe(32)}"
    token = body + checksum_of(body)
    return token, prefix, digest_of(token)


def checksum_of(body: str) -> str:
    """Six characters of base 62, padded with zeros."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = _BASE62[digit] + digits
    return digits


def digest_of(token: str) -> str:
    pepper = hashlib.sha256(b"api-key-pepper:" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(pepper, token.encode(), hashlib.sha256).hexdigest()


def looks_like_key(token: str) -> bool:
    return token.startswith("lw_")


def prefix_of(token: str) -> str | None:
    """The prefix of a well-formed token, whose checksum fits where it has one; else None."""
    match = _TOKEN.fullmatch(token)
    if match is None or match[3] not in {None, checksum_of(match[1])}:
        return None
    return match[2]
