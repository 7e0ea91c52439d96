"""Values of runs that are too large for a row: where they lie, and how the row names them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.query_utils import DeferredAttribute
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.models import TenantModel, TenantQuerySet
from files import storage
from files.errors import FileGone

MARK = "$stored"
WHOLE = "_whole_values"


def is_reference(value: Any) -> bool:
    """Whether a row's value has the form of a reference.

    What a flow itself makes in this form is put aside whatever its size, so a row never holds a
    forged one.
    """
    return isinstance(value, dict) and len(value) == 1 and MARK in value


def reference_to(value_id: UUID, size: int, digest: str) -> dict[str, Any]:
    return {MARK: {"id": str(value_id), "size": size, "sha256": digest}}


def key_of(organization_id: UUID, value_id: UUID) -> str:
    """The storage key. The organization is the row's own: no reference leads into another's."""
    return f"org/{organization_id}/values/{value_id.hex[-3:]}/{value_id}"


def read_value(organization_id: UUID, value: Any) -> Any:
    """What the row's `value` stands for: the content it refers to, or itself.

    Raises FileGone when the content is lost or altered, StorageUnavailable.
    """
    named = _named(value)
    if named is None:
        return value
    with storage.read(key_of(organization_id, UUID(named["id"]))) as opened:
        raw = opened.read()
    if sha256(raw).hexdigest() != named["sha256"]:
        raise FileGone(_("The content of this file is gone."), value=named["id"])
    return json.loads(raw)


def _named(value: Any) -> Mapping[str, Any] | None:
    named = value[MARK] if is_reference(value) else None
    if isinstance(named, dict) and set(named) == {"id", "size", "sha256"}:
        return named
    return None


_as_in_row: ContextVar[bool] = ContextVar("as_in_row", default=False)


class HoldsValues(models.Model):
    """A row with values that may lie in the file store."""

    class Meta:
        abstract = True

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Takes over what the row holds; Django would read it in full and keep that instead."""
        before = _as_in_row.set(True)
        try:
            super().refresh_from_db(*args, **kwargs)
        finally:
            _as_in_row.reset(before)


class _Whole(DeferredAttribute):
    """Reads what a reference stands for when it is asked for; the row's own value stays as it is.

    A data descriptor, for Python would otherwise find the row's value in the instance first.
    """

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        found = super().__get__(instance, cls)
        if instance is None or _as_in_row.get() or not is_reference(found):
            return found
        known = instance.__dict__.setdefault(WHOLE, {})
        name = self.field.attname
        if name not in known:
            known[name] = read_value(instance.organization_id, found)
        return known[name]

    def __set__(self, instance: Any, value: Any) -> None:
        name = self.field.attname
        instance.__dict__[name] = value
        if WHOLE in instance.__dict__:
            instance.__dict__[WHOLE].pop(name, None)


class ValueField(models.JSONField):
    """JSON whose large values lie in the file store. Instances show them, `values()` the row."""

    descriptor_class = _Whole

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        return row_value(model_instance, self.attname)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs  # the column is no other


def row_value(instance: models.Model, name: str) -> Any:
    """The value as the row has it: itself, or a reference."""
    if name not in instance.__dict__:
        return getattr(instance, name)
    return instance.__dict__[name]


class RunValueQuerySet(TenantQuerySet):
    def doomed(self) -> RunValueQuerySet:
        """Whose content is to be erased: nothing refers to it any more."""
        return self.filter(doomed_at__isnull=False)


class RunValue(TenantModel):
    """A content in the file store that belongs to a run. Written before its content is.

    It names its run without a key: the content outlives the run's row until it is erased.
    """

    run_public_id = models.UUIDField(editable=False, db_index=True)
    size = models.PositiveBigIntegerField(gettext_lazy("size"), help_text=gettext_lazy("bytes"))
    doomed_at = models.DateTimeField(null=True, editable=False)

    objects = RunValueQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("value of a run")
        verbose_name_plural = gettext_lazy("values of runs")
        indexes = (
            models.Index(fields=("id",), name="value_doomed", condition=Q(doomed_at__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.run_public_id}/{self.pk}"

    @property
    def key(self) -> str:
        return key_of(self.organization_id, self.pk)
