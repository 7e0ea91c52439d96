"""An organization's archive: asked for by an owner, written in the background, gone after days.

A ZIP with one file of JSON lines per kind (`orgs.closing.register_source`) and folders of original
files. What it holds is read by the organization's id alone, and no source hands out secrets.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from datetime import timedelta
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from audit.actions import record
from core.errors import NotFound
from core.queue import enqueue
from files.actions import delete_file, open_file, store_file
from files.errors import ArchiveUnderWay, FileGone
from files.models import ARCHIVE, Archive
from orgs.access import Actor, require, system_actor
from orgs.closing import contents_sources, sources

LARGEST = 20 * 1024**3
PATIENCE = timedelta(minutes=30)
"""After this an archive that is being written counts as left by a process that died."""
IN_MEMORY = 8 * 1024 * 1024


def request_archive(*, actor: Actor) -> Archive:
    """Raises ArchiveUnderWay while one is being written."""
    require(actor, "org.close")
    try:
        return _insert(actor)
    except IntegrityError:
        raise ArchiveUnderWay("An archive is being written already.") from None


@transaction.atomic
def _insert(actor: Actor) -> Archive:
    row: Archive = Archive.objects.create(
        organization_id=actor.organization_id, requested_by_id=actor.user_id
    )
    _note("files.archive.requested", actor, row)
    enqueue("files.tasks.write_archive", archive_id=str(row.pk))
    return row


def write_archive(archive_id: UUID) -> bool:
    """Write and keep it; False when somebody else does, or nothing is to be done."""
    at = now()
    waiting = Archive.objects.filter(pk=archive_id, state=Archive.State.QUEUED)
    if not waiting.update(state=Archive.State.RUNNING, claimed_at=at, updated_at=at):
        return False
    row = Archive.objects.select_related("organization").get(pk=archive_id)
    actor = system_actor(row.organization_id)
    try:
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
            rows = _write(row.organization_id, spool)
            spool.seek(0)
            _keep(actor, row, rows, spool)
    except BaseException:
        Archive.objects.filter(pk=row.pk, claimed_at=at).update(state=Archive.State.FAILED)
        raise
    return True


def _write(organization_id: UUID, spool: IO[bytes]) -> int:
    written = 0
    with zipfile.ZipFile(spool, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in sources().items():
            with archive.open(f"{name}.jsonl", "w", force_zip64=True) as out:
                for each in rows(organization_id):
                    out.write(_line(each))
                    written += 1
        for name, contents in contents_sources().items():
            for path, content in contents(organization_id):
                with content, archive.open(f"{name}/{path}", "w", force_zip64=True) as out:
                    shutil.copyfileobj(content, out)
    return written


def _line(row: dict[str, Any]) -> bytes:
    return (
        json.dumps(row, ensure_ascii=False, cls=DjangoJSONEncoder).encode(errors="replace") + b"\n"
    )


@transaction.atomic
def _keep(actor: Actor, row: Archive, rows: int, spool: IO[bytes]) -> None:
    file = store_file(
        actor=actor,
        name=f"{row.organization.slug}-{now():%Y%m%d}.zip",
        content=spool,
        content_type="application/zip",
        kind=ARCHIVE,
        max_size=LARGEST,
    )
    row.file, row.rows, row.state = file, rows, Archive.State.DONE
    row.expires_at = now() + timedelta(days=settings.ARCHIVE_DAYS)
    row.save(update_fields=["file", "rows", "state", "expires_at", "updated_at"])
    _note("files.archive.written", actor, row, rows=rows, size=file.size)


def open_archive(*, actor: Actor, archive_id: UUID) -> tuple[Archive, IO[bytes]]:
    """The content, to be closed by the caller; noted in the trail. Raises NotFound, FileGone."""
    require(actor, "org.close")
    row = Archive.objects.visible_to(actor).select_related("file").filter(pk=archive_id).first()
    if row is None:
        raise NotFound("There is no such archive.")
    if row.file is None or row.expires_at <= now():
        raise FileGone("This archive is not there any more.")
    content = open_file(row.file)
    _note("files.archive.fetched", actor, row)
    return row, content


def unwritten() -> list[UUID]:
    """Whose announcement was lost, and, queued again, what a dead process has left."""
    left = Archive.objects.filter(state=Archive.State.RUNNING, claimed_at__lt=now() - PATIENCE)
    left.update(state=Archive.State.QUEUED)
    waiting = Archive.objects.filter(state=Archive.State.QUEUED)
    late = waiting.filter(updated_at__lt=now() - timedelta(minutes=1))
    return list(late.order_by("pk").values_list("pk", flat=True)[:10])


def drop_expired(limit: int = 20) -> int:
    """Delete the contents of archives whose days are over; how many it were."""
    due = Archive.objects.filter(state=Archive.State.DONE, expires_at__lte=now()).order_by("pk")
    rows = list(due[:limit])
    for row in rows:
        _drop(row)
    return len(rows)


@transaction.atomic
def _drop(row: Archive) -> None:
    actor = system_actor(row.organization_id)
    if row.file_id is not None:
        delete_file(actor=actor, file_id=row.file_id)
    Archive.objects.filter(pk=row.pk).update(state=Archive.State.EXPIRED)
    _note("files.archive.expired", actor, row)


def _note(action: str, actor: Actor, row: Archive, **data: int) -> None:
    record(action, actor=actor, target_type="files.archive", target_id=row.pk, data=data)
