"""Secrets at rest: a text column encrypted with AES-256-GCM under a ring of keys.

Stored form: `algorithm:key id:base64(nonce + ciphertext + tag)`. The algorithm is named as in JOSE
(RFC 7518), so that another can take its place; before it was named, the form was the same without
it, which still opens and is renewed by `rotate_secrets`. The algorithm and the row's place
(`table|column|pk`) are authenticated with it, so a value copied into another row does not open.
Whatever cannot be opened raises; nothing falls back to the stored text.

`SECRET_KEYS` is `id:base64,id:base64`: the first key encrypts, all of them decrypt.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django import forms
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from core.errors import DomainError

ALGORITHM = "A256GCM"
"""What new secrets are sealed with. Whoever exchanges it teaches `_open` both names first."""
_NONCE_BYTES = 12
_SHOWN = 4
_MASK = "••••"


class SecretUnreadable(DomainError):
    """A stored secret does not open: its key is missing, or it was altered or moved."""

    code = "secret_unreadable"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


def generate_key() -> str:
    """A new entry for SECRET_KEYS, `id:base64` of 32 random bytes."""
    return f"{secrets.token_hex(4)}:{base64.b64encode(os.urandom(32)).decode()}"


@lru_cache(maxsize=8)
def _keys(text: str) -> dict[str, bytes]:
    ring: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(
                encoded, altchars=b"-_" if "-" in encoded or "_" in encoded else None, validate=True
            )
        except binascii.Error as error:
            raise SecretUnreadable("A key of SECRET_KEYS is not base64.", key=key_id) from error
        if len(key) != 32 or not key_id or key_id in ring:
            raise SecretUnreadable("SECRET_KEYS needs distinct ids and 32-byte keys.", key=key_id)
        ring[key_id] = key
    if not ring:
        raise SecretUnreadable("SECRET_KEYS holds no key.")
    return ring


@lru_cache(maxsize=8)
def _ring(text: str) -> dict[str, AESGCM]:
    return {key_id: AESGCM(key) for key_id, key in _keys(text).items()}


def sign(message: bytes, purpose: str) -> str:
    """`key id:hex` of an HMAC-SHA256 under a key derived for `purpose` from the ring's first."""
    key_id, key = next(iter(_keys(settings.SECRET_KEYS).items()))
    return f"{key_id}:{_mac(key, message, purpose)}"


def is_signed(message: bytes, purpose: str, signature: str) -> bool:
    """Whether `sign` made it under any key of the ring. Raises SecretUnreadable: key not there."""
    key_id, _, mac = signature.partition(":")
    key = _keys(settings.SECRET_KEYS).get(key_id)
    if key is None:
        raise SecretUnreadable("The key of this signature is not in SECRET_KEYS.", key=key_id)
    return hmac.compare_digest(mac, _mac(key, message, purpose))


def _mac(key: bytes, message: bytes, purpose: str) -> str:
    derived = hmac.digest(key, b"loomwork:" + purpose.encode(), "sha256")
    return hmac.new(derived, message, "sha256").hexdigest()


def _seal(text: str, place: bytes) -> str:
    key_id, cipher = next(iter(_ring(settings.SECRET_KEYS).items()))
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + cipher.encrypt(nonce, text.encode(), _bound(ALGORITHM, place))
    return f"{ALGORITHM}:{key_id}:{base64.b64encode(sealed).decode()}"


def _bound(algorithm: str, place: bytes) -> bytes:
    return algorithm.encode() + b"|" + place if algorithm else place


def _parts(sealed: str) -> tuple[str, str, str]:
    """Algorithm, key id and text; no algorithm in the older form. Neither holds a colon."""
    head, _, encoded = sealed.rpartition(":")
    algorithm, named, key_id = head.rpartition(":")
    return algorithm if named else "", key_id, encoded


def _open(sealed: str, place: bytes) -> str:
    algorithm, key_id, encoded = _parts(sealed)
    if algorithm not in {"", ALGORITHM}:
        raise SecretUnreadable("This secret was sealed in a way that is not known here.")
    cipher = _ring(settings.SECRET_KEYS).get(key_id)
    if cipher is None:
        raise SecretUnreadable("The key of this secret is not in SECRET_KEYS.")
    try:
        raw = base64.b64decode(encoded, validate=True)
        bound = _bound(algorithm, place)
        return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound).decode()
    except (InvalidTag, ValueError) as error:
        raise SecretUnreadable("This secret was altered or belongs elsewhere.") from error


def seal(text: str, place: str) -> str:
    """For a secret that lives inside another package's column: the text to store at `place`."""
    return _seal(text, place.encode())


def unseal(sealed: str, place: str) -> str:
    """Raises SecretUnreadable when it does not open."""
    return _open(sealed, place.encode())


def sealed_with_first_key(sealed: str) -> bool:
    """And in the present form: whether `rotate_secrets` has nothing to renew."""
    algorithm, key_id, _ = _parts(sealed)
    return (algorithm, key_id) == (ALGORITHM, next(iter(_ring(settings.SECRET_KEYS))))


class _Sealed:
    """Stored text on its way between the database and a row."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return _MASK


class SecretValue:
    """A secret in memory. Shows four characters at most; `reveal()` is the only way to the rest."""

    __slots__ = ("_place", "_plain", "_sealed")

    def __init__(self, plain: str = "", *, sealed: str = "", place: bytes = b"") -> None:
        self._plain = plain
        self._sealed = sealed
        self._place = place

    def reveal(self) -> str:
        """The secret itself. Raises SecretUnreadable when it does not open."""
        return _open(self._sealed, self._place) if self._sealed else self._plain

    def sealed_for(self, place: bytes) -> str:
        """The text to store at `place`; unchanged when it was read from there."""
        if not self:
            return ""
        if self._sealed and self._place == place:
            return self._sealed
        return _seal(self.reveal(), place)

    def __bool__(self) -> bool:
        return bool(self._sealed or self._plain)

    def __str__(self) -> str:
        """Four dots and, of secrets long enough not to be given away by them, the last four."""
        if not self:
            return ""
        text = self.reveal()
        return _MASK + (text[-_SHOWN:] if len(text) >= 3 * _SHOWN else "")

    def __repr__(self) -> str:
        return f"<SecretValue {_MASK if self else 'empty'}>"

    def __copy__(self) -> SecretValue:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SecretValue:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class _SecretAttribute(DeferredAttribute):
    """Binds a row's stored text to its place when it is read."""

    def __get__(self, instance: models.Model | None, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is not None and isinstance(value, _Sealed):
            field: Any = self.field
            value = SecretValue(sealed=value.text, place=field.place_of(instance))
            instance.__dict__[field.attname] = value
        return value

    def __set__(self, instance: models.Model, value: str | SecretValue | _Sealed | None) -> None:
        if isinstance(value, str):
            value = SecretValue(value)
        instance.__dict__[self.field.attname] = value


class SecretField(models.TextField[str | SecretValue, SecretValue]):
    """A column of one secret. Assign text; read a SecretValue; forms leave it alone when empty.

    The model's primary key must be known before the row is saved (a UUID made in Python).
    Writing past the row (`QuerySet.update`, `bulk_update`) and searching by value are errors.
    """

    descriptor_class = _SecretAttribute

    def place_of(self, instance: models.Model) -> bytes:
        if instance.pk is None:
            raise TypeError("a row needs its primary key before it can hold a secret")
        return self._place(instance.pk)

    def _place(self, pk: object) -> bytes:
        table = self.model._meta.db_table
        return f"{table}|{self.column}|{pk}".encode()

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        return _Sealed(value) if value else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, _Sealed):
            if not add:
                return value
            value = getattr(model_instance, self.attname)  # a copied row: must open where it goes
            value.reveal()
        return _Sealed(value.sealed_for(self.place_of(model_instance))) if value else ""

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, _Sealed):
            return value.text
        if not value and not isinstance(value, SecretValue):
            return value
        raise TypeError("a secret is written by saving its row, and never searched for")

    def clean(self, raw_value: Any, model_instance: models.Model | None) -> Any:
        text = raw_value.reveal() if isinstance(raw_value, SecretValue) else raw_value
        return super().clean(text, model_instance)

    def value_from_object(self, obj: models.Model) -> Any:
        """Empty: serializers, forms and fixtures see nothing."""
        return ""

    def value_to_string(self, obj: models.Model) -> str:
        return ""

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        if data:
            setattr(instance, self.name, data)

    def formfield(self, **kwargs: Any) -> Any:
        """A password box, empty whether or not a secret is stored."""
        return super().formfield(
            **{
                **kwargs,
                "widget": forms.PasswordInput(attrs={"autocomplete": "new-password"}),
                "required": False,
                "strip": True,
            }
        )

    def rotated(self, pk: object, stored: _Sealed) -> _Sealed | None:
        """The stored text under the first key, or None when it is so already."""
        if sealed_with_first_key(stored.text):
            return None
        place = self._place(pk)
        return _Sealed(_seal(_open(stored.text, place), place))


Rotation = Callable[[], Iterator[tuple[int, int]]]

_rotations: dict[str, Rotation] = {}


def register_rotation(name: str, renew: Rotation) -> None:
    """For secrets outside SecretFields: `renew()` yields (rows seen, rows written) a batch."""
    _rotations[name] = renew


def other_rotations() -> Mapping[str, Rotation]:
    return _rotations


def secret_fields(model: type[models.Model]) -> list[SecretField]:
    fields = model._meta.local_fields
    return [field for field in fields if isinstance(field, SecretField)]


def rotate(field: SecretField, batch: int = 200) -> Iterator[tuple[int, int]]:
    """Re-encrypt one column with the first key; yields (rows seen, rows written) a batch.

    Each row is replaced only if it still holds what was read, so writers are not disturbed and
    running twice is harmless. Raises SecretUnreadable at the first row that does not open.
    """
    everything = field.model._base_manager
    rows = everything.exclude(**{field.name: ""}).order_by("pk")
    after = None
    while True:
        page = rows if after is None else rows.filter(pk__gt=after)
        found = list(page.values_list("pk", field.name)[:batch])
        if not found:
            return
        after = found[-1][0]
        yield len(found), sum(_rotate_row(field, pk, stored) for pk, stored in found if stored)


def _rotate_row(field: SecretField, pk: object, stored: _Sealed) -> int:
    renewed = field.rotated(pk, stored)
    if renewed is None:
        return 0
    everything = field.model._base_manager
    unchanged = everything.filter(**{"pk": pk, field.name: stored})
    return unchanged.update(**{field.name: renewed})
