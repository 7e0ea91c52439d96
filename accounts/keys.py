"""The keys that sign access and refresh tokens.

`JWT_KEYS` is `id:base64,id:base64`, each of 32 bytes or more: the first signs, all of them verify.
To rotate, put a new one first; drop the old one when its last refresh token is over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache

from django.core.exceptions import ImproperlyConfigured

SHORTEST = 32


@lru_cache(maxsize=8)
def keys_in(text: str) -> Mapping[str, bytes]:
    """Key id to key, in the order given. Raises ImproperlyConfigured for anything else."""
    keys: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = entry.partition(":")
        try:
            plain = encoded.replace("-", "+").replace("_", "/")
            key = base64.b64decode(plain, validate=True)
        except binascii.Error as error:
            raise ImproperlyConfigured(f"The key {key_id!r} of JWT_KEYS is not base64.") from error
        if len(key) < SHORTEST or not key_id or key_id in keys:
            raise ImproperlyConfigured("JWT_KEYS needs distinct ids and keys of 32 bytes or more.")
        keys[key_id] = key
    if not keys:
        raise ImproperlyConfigured("JWT_KEYS holds no key.")
    return keys
