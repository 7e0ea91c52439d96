"""Keeping, opening and deleting files.

Whether the actor may is the caller's question: a file is only ever kept as part of something (a
flow that is imported, an attachment), and that something has the verb.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import IO, cast
from uuid import UUID

from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from audit.actions import record
from core.errors import NotFound
from core.ids import uuid7
from files import storage
from files.errors import FileTooLarge
from files.models import StoredFile
from orgs.access import Actor

DEFAULT_LIMIT = 50 * 1024 * 1024
IN_MEMORY = 2 * 1024 * 1024
CHUNK = 64 * 1024
CONTENT_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")
UNKNOWN_TYPE = "application/octet-stream"


def store_file(
    *,
    actor: Actor,
    name: str,
    content: bytes | IO[bytes],
    content_type: str,
    kind: str,
    project_id: UUID | None = None,
    max_size: int = DEFAULT_LIMIT,
) -> StoredFile:
    """Keep `content` (read once, from where it stands) for the actor's organization.

    A file of a project is seen by who gets at that project; of none, by all who see files.

    Raises FileTooLarge when it has more than `max_size` bytes and StorageUnavailable; in both
    cases nothing is kept. A transaction around this that rolls back leaves the content behind.
    """
    with _spooled(content, max_size) as (spool, size, digest):
        file = StoredFile(
            id=uuid7(),
            organization_id=actor.organization_id,
            project_id=project_id or actor.project_id,
            name=display_name(name),
            content_type=content_type if CONTENT_TYPE.fullmatch(content_type) else UNKNOWN_TYPE,
            size=size,
            sha256=digest,
            kind=kind,
            created_by_id=actor.user_id,
        )
        key = storage.key_for(actor.organization_id, file.pk, now())
        file.key = storage.write(key, spool)
    try:
        return _keep_row(actor, file)
    except BaseException:
        storage.erase(file.key)
        raise


def open_file(file: StoredFile) -> IO[bytes]:
    """The content, to be closed by the caller. Raises FileGone, StorageUnavailable."""
    return storage.read(file.key)


@transaction.atomic
def delete_file(*, actor: Actor, file_id: UUID) -> None:
    """Delete the row now and the content once the transaction commits. Raises NotFound."""
    file = StoredFile.objects.of(actor.organization_id).filter(pk=file_id).first()
    if file is None:
        raise NotFound(_("There is no such file."))
    _note("files.file.deleted", actor, file)
    transaction.on_commit(partial(storage.erase, file.key))
    file.delete()


def display_name(name: str) -> str:
    """The last part of a name as people may see it: no folders, no control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in last if char.isprintable()).strip()[:255] or "file"


@transaction.atomic
def _keep_row(actor: Actor, file: StoredFile) -> StoredFile:
    file.save(force_insert=True)
    _note("files.file.stored", actor, file)
    return file


def _note(action: str, actor: Actor, file: StoredFile) -> None:
    record(
        action,
        actor=actor,
        target_type="files.storedfile",
        target_id=file.pk,
        summary=file.name,
        data={"kind": file.kind, "size": file.size, "sha256": file.sha256},
        project_id=file.project_id,
    )


@contextmanager
def _spooled(content: bytes | IO[bytes], limit: int) -> Iterator[tuple[IO[bytes], int, str]]:
    """A rewound copy with its size and SHA-256, in memory while small.

    The storage may read as often as it likes (boto3 reads twice); size and digest are taken once,
    and nothing reaches the storage before they are known.
    """
    source = BytesIO(content) if isinstance(content, bytes) else content
    size, digest = 0, hashlib.sha256()
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > limit:
                raise FileTooLarge(_("The file is larger than allowed."), limit=limit)
            digest.update(chunk)
            spool.write(chunk)
        spool.seek(0)
        yield cast(IO[bytes], spool), size, digest.hexdigest()
