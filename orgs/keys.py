"""Verifying API keys: one indexed read, no write."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.timezone import now

from core.addresses import Address
from orgs.errors import KeyAddressRefused
from orgs.models import ApiKey
from orgs.networks import admits
from orgs.tokens import digest_of, looks_like_key, make_token, prefix_of
from orgs.uses import note_use

__all__ = ["KeyInfo", "admit", "digest_of", "looks_like_key", "make_token", "verify_key"]


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What a verified key says."""

    key_id: UUID
    organization_id: UUID
    project_id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None
    ip_allow: tuple[str, ...] = ()

    def expired(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at


def verify_key(token: str) -> KeyInfo | None:
    """The key's owner and scopes, or None. Constant-time comparison."""
    prefix = prefix_of(token)
    if prefix is None:
        return None
    row = ApiKey.objects.live(now()).filter(prefix=prefix).first()
    expected = row.digest if row else "0" * 64
    if not hmac.compare_digest(expected, digest_of(token)) or row is None:
        return None
    return KeyInfo(
        row.pk,
        row.organization_id,
        row.project_id,
        frozenset(row.scopes),
        row.expires_at,
        tuple(row.ip_allow),
    )


def admit(info: KeyInfo, address: Address | None) -> None:
    """Let a verified key in from `address` and remember its use. Raises KeyAddressRefused."""
    if not admits(info.ip_allow, address):
        raise KeyAddressRefused("This API key may not be used from this address.")
    note_use(info.key_id, address)
