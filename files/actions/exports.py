"""Exports: started by somebody who may, written by a worker, gone after some days."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import IO, Any, cast
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.timezone import now

from audit.actions import record
from core.errors import DomainError, InvalidInput, NotFound, PermissionRefused
from core.queue import enqueue
from core.trace import current_trace_id, tracing
from files.actions.storing import delete_file, open_file, store_file
from files.errors import ExportFinished, ExportNotReady, TooManyExports
from files.formats import LineStream, lines_of
from files.models import EXPORT_KIND, Export, StoredFile
from files.sources import Source, require_source, source_of
from orgs.access import Actor, system_actor
from orgs.models import asked_by
from orgs.returning import returning_actor

logger = logging.getLogger(__name__)

LARGEST = 2 * 1024**3
KEPT = timedelta(days=7)
LEASE = timedelta(minutes=3)
"""A worker silent for so long is taken for dead; handing a large file to the storage is silent."""
BEAT = timedelta(seconds=2)
ATTEMPTS = 5
AT_ONCE = 5
"""Unfinished exports of one organization."""
TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
State = Export.State


class _Taken(Exception):
    """The export was cancelled, or another worker has it by now."""


@transaction.atomic
def start_export(
    *, actor: Actor, source: str, fmt: str, filters: Mapping[str, Any] | None = None
) -> Export:
    """Queue an export. Raises NotFound, PermissionRefused, InvalidInput, TooManyExports."""
    found = source_of(source)
    require_source(actor, found)
    if fmt not in Export.Format.values:
        raise InvalidInput("There is no such format.", field="format", known=Export.Format.values)
    under_way = Export.objects.of(actor.organization_id)
    if under_way.filter(state__in=(State.QUEUED, State.RUNNING)).count() >= AT_ONCE:
        raise TooManyExports("Wait until an earlier export is done.", most=AT_ONCE)
    export = Export.objects.create(
        organization_id=actor.organization_id,
        source=found.name,
        format=fmt,
        filters=found.check(filters or {}),
        **asked_by(actor),
        trace_id=current_trace_id(),
    )
    _note("files.export.started", actor, export, format=fmt, filters=export.filters)
    enqueue("files.tasks.export", export_id=str(export.pk))
    return export


@transaction.atomic
def cancel_export(*, actor: Actor, export_id: UUID) -> Export:
    """Its worker stops at the next sign of life. Raises NotFound, ExportFinished."""
    export = _export_of(actor, export_id, lock=True)
    if export.finished:
        raise ExportFinished("This export is over already.", state=export.state)
    export.state, export.finished_at = State.CANCELLED, now()
    export.save(update_fields=["state", "finished_at", "updated_at"])
    _note("files.export.cancelled", actor, export)
    return export


@transaction.atomic
def download_export(*, actor: Actor, export_id: UUID) -> tuple[StoredFile, IO[bytes]]:
    """The file and its content, to be closed by the caller; who takes it away is recorded.

    Raises NotFound, ExportNotReady, FileGone, StorageUnavailable.
    """
    export = _export_of(actor, export_id)
    if export.state != State.SUCCEEDED or export.file is None:
        raise ExportNotReady("This export has no file (any more).", state=export.state)
    content = open_file(export.file)
    _note("files.export.downloaded", actor, export, file=str(export.file_id))
    return export.file, content


def _export_of(actor: Actor, export_id: UUID, *, lock: bool = False) -> Export:
    """The organization's export, if the actor may see what is in it."""
    rows = Export.objects.of(actor.organization_id)
    rows = rows.select_for_update() if lock else rows.select_related("file")
    export: Export | None = rows.filter(pk=export_id).first()
    if export is None:
        raise NotFound("There is no such export.")
    require_source(actor, source_of(export.source))
    return export


def run_export(*, export_id: UUID) -> bool:
    """Claim and write one export; returns whether it was this call that finished it.

    Repeating it is harmless: only a queued export is claimed.
    """
    waiting = Export.objects.filter(pk=export_id, state=State.QUEUED)
    if not waiting.update(state=State.RUNNING, epoch=F("epoch") + 1, heartbeat_at=now(), done=0):
        return False
    export = Export.objects.get(pk=export_id)
    with tracing(export.trace_id):
        try:
            return _write(export)
        except _Taken:
            return False
        except DomainError as refused:
            return _fail(export, refused.code)
        except Exception:
            logger.exception("An export failed", extra={"export": str(export.pk)})
            return _fail(export, "internal_error")


def _write(export: Export) -> bool:
    actor = _actor_of(export)
    source = source_of(export.source)
    require_source(actor, source)
    total = source.count(actor, export.filters)
    _say(export, done=0, total=total)
    lines = lines_of(export.format, source.columns, _counted(export, source, actor))
    file = store_file(
        actor=actor,
        name=f"{export.source}-{now():%Y%m%d-%H%M}.{export.format}",
        content=cast(IO[bytes], LineStream(lines)),
        content_type=TYPES[export.format],
        kind=EXPORT_KIND,
        max_size=LARGEST,
    )
    if _finish(export, actor, file):
        return True
    delete_file(actor=actor, file_id=file.pk)
    return False


def _actor_of(export: Export) -> Actor:
    """Who started it, with the rights of now. Raises PermissionRefused when they have none left."""
    if actor := returning_actor(export):
        return actor
    raise PermissionRefused("Whoever started this export may not see it any more.")


def _counted(export: Export, source: Source, actor: Actor) -> Iterator[Sequence[Any]]:
    """The source's rows; says now and then how far it is, and stops when it is not ours."""
    said = now()
    for row in source.rows(actor, export.filters):
        yield row
        export.done += 1
        if export.done % 100 == 0 and now() - said > BEAT:
            said = now()
            _say(export, done=export.done)


def _say(export: Export, **values: Any) -> None:
    if not _ours(export).update(heartbeat_at=now(), **values):
        raise _Taken


def _ours(export: Export) -> Any:
    return Export.objects.filter(pk=export.pk, state=State.RUNNING, epoch=export.epoch)


@transaction.atomic
def _finish(export: Export, actor: Actor, file: StoredFile) -> bool:
    won = _ours(export).update(
        state=State.SUCCEEDED,
        file=file,
        done=export.done,
        total=export.done,
        finished_at=now(),
        expires_at=now() + KEPT,
    )
    if won:
        _note("files.export.finished", actor, export, rows=export.done, file=str(file.pk))
    return bool(won)


@transaction.atomic
def _fail(export: Export, code: str) -> bool:
    won = _ours(export).update(state=State.FAILED, error=code, finished_at=now())
    if won:
        _note("files.export.failed", system_actor(export.organization_id), export, error=code)
    return bool(won)


def hand_back_exports() -> int:
    """Queue again what a dead worker left, ring for what is queued; returns how many bells.

    An export that was under way when its worker died five times is failed, not tried for ever.
    """
    at = now() - LEASE
    for export in Export.objects.lapsed(at).filter(epoch__gte=ATTEMPTS):
        _fail(export, "worker_lost")
    Export.objects.lapsed(at).update(state=State.QUEUED, heartbeat_at=now())
    waiting = Export.objects.filter(state=State.QUEUED, updated_at__lt=now() - BEAT)
    ids = list(waiting.order_by("pk").values_list("pk", flat=True)[:100])
    for export_id in ids:
        enqueue("files.tasks.export", export_id=str(export_id))
    return len(ids)


def expire_exports(limit: int = 200) -> int:
    """Take away the files of old exports; their rows stay and say so. Returns how many."""
    old = Export.objects.filter(state=State.SUCCEEDED, expires_at__lt=now())
    found = list(old.order_by("expires_at")[:limit])
    for export in found:
        with transaction.atomic():
            Export.objects.filter(pk=export.pk).update(state=State.EXPIRED)
            if export.file_id is not None:
                delete_file(actor=system_actor(export.organization_id), file_id=export.file_id)
    return len(found)


def _note(action: str, actor: Actor, export: Export, **data: Any) -> None:
    record(
        action,
        actor=actor,
        target_type="files.export",
        target_id=export.pk,
        summary=f"{export.source} ({export.format})",
        data={"source": export.source, **data},
        trace_id=export.trace_id,
    )
