"""What comes from outside is looked at where it enters, and again where it is handed out."""

from __future__ import annotations

import logging
from io import BytesIO
from typing import IO

from audit.actions import record
from files.actions.storing import display_name, open_file
from files.errors import FileInfected, ScannerUnavailable
from files.models import ARCHIVE, EXPORT_KIND, StoredFile
from files.scanner import scan
from orgs.access import Actor

logger = logging.getLogger(__name__)

MADE_HERE = frozenset({EXPORT_KIND, ARCHIVE})
"""Written by the product, row by row; nobody's bytes stand in them as they came."""


def admit_file(*, actor: Actor, name: str, content: bytes) -> None:
    """Refuse what a scanner finds in an upload, before anything is done with it.

    Call it outside a transaction: a scanner may take its time, and the refusal's entry must stay.
    Raises FileInfected, and ScannerUnavailable where a scanner is configured that does not answer.
    """
    _scanned(actor, BytesIO(content), target_id="", name=display_name(name))


def hand_out(*, actor: Actor, file: StoredFile) -> IO[bytes]:
    """The content, to be closed by the caller, by what the scanner knows today.

    Raises FileGone, StorageUnavailable, FileInfected, ScannerUnavailable.
    """
    content = open_file(file)
    if file.kind in MADE_HERE:
        return content
    try:
        _scanned(actor, content, target_id=str(file.pk), name=file.name)
    except BaseException:
        content.close()
        raise
    return content


def _scanned(actor: Actor, content: IO[bytes], *, target_id: str, name: str) -> None:
    try:
        scan(content)
    except (FileInfected, ScannerUnavailable) as refused:
        logger.warning("A file was refused: %s", refused.code, extra=refused.detail)
        record(
            "files.file.refused",
            actor=actor,
            target_type="files.storedfile",
            target_id=target_id,
            summary=name,
            data={"error": refused.code, **refused.detail},
        )
        raise
