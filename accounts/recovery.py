"""Recovery codes: shown once, kept as password hashes from then on.

allauth derives its codes from a seed, which it keeps encrypted (`FactorAdapter`). Until the codes
have been shown that has to be so; then the row is rewritten to the form that allauth has for codes
of other systems (`migrated_codes`), each of them a salted hash of PASSWORD_HASHERS.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.utils.timezone import now

from core.secrets import SecretUnreadable

logger = logging.getLogger(__name__)

PREFIX = "hash:"
LATEST = timedelta(days=1)
"""Codes that nobody has looked at for so long are hashed unseen; their owner can make new ones."""
BATCH = 200
"""Rows a run of the upkeep: each costs as many password hashes as there are codes."""


class HashedCode(str):
    """Stands in for a code in allauth's comparison: equal to the code that the hash was made of."""

    __slots__ = ("_hash",)
    _hash: str

    def __new__(cls, encoded: str) -> HashedCode:
        made = super().__new__(cls, "•" * app_settings.RECOVERY_CODE_DIGITS)
        made._hash = encoded
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str) or isinstance(other, HashedCode):
            return self is other
        typed = normalize_user_code(other)
        # Codes of an authenticator app come here as well; they have other lengths.
        if len(typed) != app_settings.RECOVERY_CODE_DIGITS or not typed.isdecimal():
            return False
        return check_password(typed, self._hash)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._hash)


@transaction.atomic
def hash_codes(user_id: UUID) -> bool:
    """Replace the person's seed by hashes of the codes that are left; False: there is none."""
    rows = Authenticator.objects.select_for_update()
    row = rows.filter(user_id=user_id, type=Authenticator.Type.RECOVERY_CODES).first()
    if row is None or "seed" not in row.data:
        return False
    codes = RecoveryCodes(row).get_unused_codes()
    data: dict[str, Any] = {"migrated_codes": [PREFIX + make_password(code) for code in codes]}
    row.data = data | {"viewed_at": row.data.get("viewed_at") or time.time()}
    row.save(update_fields=["data"])
    return True


def hash_left_codes() -> int:
    """Hash codes that were shown or that nobody came for; how many people's. Repeatable."""
    rows = Authenticator.objects.filter(type=Authenticator.Type.RECOVERY_CODES)
    seeded = rows.filter(data__has_key="seed", created_at__lt=now() - LATEST)
    done = 0
    for user_id in list(seeded.order_by("pk").values_list("user_id", flat=True)[:BATCH]):
        try:
            done += hash_codes(user_id)
        except SecretUnreadable:
            logger.warning("The recovery codes of %s cannot be read to be hashed", user_id)
    return done
