"""The digests of the chain: what exactly is hashed and signed. No writes here.

Everything is SHA-256 over JSON with sorted keys and no spaces (UTF-8). An entry's digest covers all
its columns; a seal's covers its columns, among them the digest over its entries' digests and the
digest of the seal before. The head is signed with HMAC-SHA256 under a key derived from SECRET_KEYS,
so that whoever can write the database alone cannot make a chain that passes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from audit.errors import ChainBroken
from audit.models import Chain, Entry, Seal
from core.secrets import SecretUnreadable, is_signed, sign

START = "0" * 64
PURPOSE = "audit chain"
ENTRY_FIELDS = (
    "id", "organization_id", "action", "category", "outcome", "actor_kind", "actor_id",
    "api_key_id", "support_id", "target_type", "target_id", "summary", "data", "before", "after",
    "trace_id", "ip", "user_agent", "at",
)  # fmt: skip
LATER_FIELDS = ("project_id",)
SEAL_FIELDS = (
    "organization_id", "number", "count", "first_id", "last_id", "last_at", "content", "previous",
    "sealed_at",
)  # fmt: skip
HEAD_FIELDS = (
    "organization_id", "number", "entries", "digest", "last_id", "last_at", "pruned_to",
)  # fmt: skip


def entry_digest(entry: Entry) -> str:
    """A column that came later counts where it is filled: what was sealed before stays proven."""
    later = [name for name in LATER_FIELDS if getattr(entry, name) is not None]
    return _digest(_canonical(entry, (*ENTRY_FIELDS, *later)))


def content_digest(digests: Iterable[str]) -> str:
    """Over the entries' digests in the order of their positions."""
    return _digest("\n".join(digests).encode())


def seal_digest(seal: Seal) -> str:
    return _digest(_canonical(seal, SEAL_FIELDS))


def sign_head(chain: Chain) -> None:
    chain.signature = sign(_canonical(chain, HEAD_FIELDS), PURPOSE)


def head_fault(chain: Chain) -> str:
    """Why the head's signature does not hold; "" when it does."""
    if not chain.signature and not chain.number:
        return ""
    try:
        if is_signed(_canonical(chain, HEAD_FIELDS), PURPOSE, chain.signature):
            return ""
    except SecretUnreadable as error:
        return error.message
    return "The head of the chain was changed."


def require_head(chain: Chain) -> None:
    """Raises ChainBroken: who signed on over a changed head would hide the change."""
    if fault := head_fault(chain):
        raise ChainBroken(fault, organization=str(chain.organization_id))


def _canonical(row: Any, fields: Iterable[str]) -> bytes:
    values = {name: _plain(getattr(row, name)) for name in fields}
    text = json.dumps(
        values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str
    )
    return text.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
