"""API keys: `lw_<8 prefix>_<43 base64url>`; the secret half has 256 random bits.

A fast keyed hash is enough for such a secret (no dictionary reaches 256 bits); the pepper is
derived from SECRET_KEY, so a stolen table alone verifies nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils.timezone import now

from orgs.models import ApiKey

_TOKEN = re.compile(r"lw_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")
_ALPHABET = string.ascii_lowercase + string.digits
LAST_USE_STEP = timedelta(minutes=1)
"""`last_used_at` is written at most this often per key: a call costs no write."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What a verified key says."""

    key_id: UUID
    organization_id: UUID
    project_id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None


def make_token() -> tuple[str, str, str]:
    """(token to show once, its prefix, the digest to store)."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    token = f"lw_{prefix}_{secrets.token_urlsafe(32)}"
    return token, prefix, digest_of(token)


def digest_of(token: str) -> str:
    pepper = hashlib.sha256(b"api-key-pepper:" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(pepper, token.encode(), hashlib.sha256).hexdigest()


def looks_like_key(token: str) -> bool:
    return token.startswith("lw_")


def verify_key(token: str) -> KeyInfo | None:
    """The key's owner and scopes, or None. One indexed read; constant-time comparison."""
    match = _TOKEN.fullmatch(token)
    if not match:
        return None
    row = ApiKey.objects.live(now()).filter(prefix=match[1]).first()
    expected = row.digest if row else "0" * 64
    if not hmac.compare_digest(expected, digest_of(token)) or row is None:
        return None
    _touch(row)
    return KeyInfo(
        row.pk, row.organization_id, row.project_id, frozenset(row.scopes), row.expires_at
    )


def _touch(row: ApiKey) -> None:
    at = now()
    if row.last_used_at is None or at - row.last_used_at > LAST_USE_STEP:
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=at)
