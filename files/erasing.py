"""What files erases of a closed organization: contents first, then the rows that know of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any
from uuid import UUID

from files import storage
from files.errors import FileGone
from files.models import ARCHIVE, EXPORT_KIND, Archive, Export, StoredFile
from orgs.closing import (
    erase_batch,
    plain_rows,
    register_contents_source,
    register_erasure,
    register_source,
)
from orgs.contents import register_contents

MADE_HERE = (ARCHIVE, EXPORT_KIND)
"""Kinds of files that only repeat what stands elsewhere."""


def erase_files(organization_id: UUID, limit: int) -> int:
    """The storage before the rows: interrupted in between, the next step erases nothing twice."""
    for model in (Archive, Export):
        if taken := erase_batch(model.objects.of(organization_id), limit):
            return taken
    rows = StoredFile.objects.of(organization_id).order_by("pk")
    for key in rows.values_list("key", flat=True)[:limit]:
        storage.erase(key)
    return erase_batch(rows, limit)


def file_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = StoredFile.objects.of(organization_id).exclude(kind__in=MADE_HERE)
    names = ("id", "name", "content_type", "size", "sha256", "kind", "created_at")
    yield from plain_rows(rows, *names)


def file_contents(organization_id: UUID) -> Iterator[tuple[str, IO[bytes]]]:
    """Under ids: names may repeat, and are no paths. Lost contents are left out."""
    rows = StoredFile.objects.of(organization_id).exclude(kind__in=MADE_HERE).order_by("pk")
    for file in rows.iterator(chunk_size=200):
        try:
            yield f"{file.pk}", storage.read(file.key)
        except FileGone:
            continue


def count_files(project_id: UUID) -> int:
    return StoredFile.objects.filter(project_id=project_id).count()


def contribute() -> None:
    register_contents("files", count_files)
    register_erasure("files", 300, erase_files)
    register_source("files", file_rows)
    register_contents_source("files", file_contents)
