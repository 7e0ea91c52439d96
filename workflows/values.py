"""Putting aside what is too large for a row, and taking back what nothing refers to."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.timezone import now

from core.ids import uuid7
from core.jsonsafe import dump_json, json_size
from files import storage
from files.errors import StorageUnavailable
from workflows.models import RunValue
from workflows.models.values import is_reference, key_of, reference_to

logger = logging.getLogger(__name__)
PORTION = 100
"""Contents that are erased between two looks at the clock."""


def too_large_for_a_row(value: Any) -> bool:
    """Whether `value` goes to the file store. What looks like a reference always does."""
    return is_reference(value) or json_size(value) > settings.ENGINE_VALUE_LIMIT


class Aside:
    """Contents of one run that were put aside; the same content lies there once.

    The row that knows of a content is committed before the content is written, so whoever dies in
    between leaves nothing that cannot be found.
    """

    def __init__(self, organization_id: UUID, run_public_id: UUID) -> None:
        self._organization_id = organization_id
        self._run_public_id = run_public_id
        self._known: dict[str, dict[str, Any]] = {}

    def row_form(self, value: Any) -> Any:
        """`value` as the row holds it. It stays in the row when the store does not answer.

        Raises StorageUnavailable for what looks like a reference: no row may hold that.
        """
        if value is None or not too_large_for_a_row(value):
            return value
        raw = dump_json(value).encode()
        digest = sha256(raw).hexdigest()
        if digest not in self._known:
            try:
                self._known[digest] = self._keep(raw, digest)
            except StorageUnavailable:
                if is_reference(value):
                    raise
                logger.warning(
                    "A large value stays in its row",
                    extra={"run": str(self._run_public_id), "bytes": len(raw)},
                    exc_info=True,
                )
                return value
        return self._known[digest]

    def _keep(self, raw: bytes, digest: str) -> dict[str, Any]:
        row = RunValue.objects.create(
            id=uuid7(),
            organization_id=self._organization_id,
            run_public_id=self._run_public_id,
            size=len(raw),
        )
        try:
            storage.write(key_of(self._organization_id, row.pk), BytesIO(raw))
        except StorageUnavailable:
            doom(RunValue.objects.filter(pk=row.pk))
            raise
        return reference_to(row.pk, len(raw), digest)

    def discard(self) -> None:
        """For a run that came to nothing."""
        if self._known:
            doom(RunValue.objects.filter(run_public_id=self._run_public_id))


def doom(rows: Any) -> int:
    """Let the contents be erased by the next `erase_doomed`; returns how many."""
    found: int = rows.filter(doomed_at=None).update(doomed_at=now())
    return found


def erase_doomed(*, seconds: float) -> tuple[int, int]:
    """Erase contents nothing refers to, then their rows; returns how many and their bytes.

    Safe to run twice at once and to be killed: what is erased already is erased again.
    """
    until, number, size = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until:
        rows = list(RunValue.objects.doomed().order_by("pk")[:PORTION])
        try:
            number += erase_values(rows)
        except StorageUnavailable:
            logger.warning("Contents of runs were not erased; tried again later.", exc_info=True)
            break
        size += sum(row.size for row in rows)
        if len(rows) < PORTION:
            break
    return number, size


def erase_values(rows: Iterable[RunValue]) -> int:
    """The contents before the rows that know of them. Raises StorageUnavailable."""
    keys = {row.pk: row.key for row in rows}
    for key in keys.values():
        storage.erase(key)
    if keys:
        RunValue.objects.filter(pk__in=list(keys)).delete()
    return len(keys)
