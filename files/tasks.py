"""Exports and archives in the background. A lost message is harmless: the sweep rings again."""

import logging
from uuid import UUID

from celery import shared_task

from files import archives
from files.actions import expire_exports, hand_back_exports, run_export

logger = logging.getLogger(__name__)


@shared_task
def export(export_id: str) -> bool:
    return run_export(export_id=UUID(export_id))


@shared_task(acks_late=True)
def sweep() -> int:
    """Hand back what dead workers left and take away what has expired."""
    return hand_back_exports() + expire_exports()


@shared_task
def write_archive(archive_id: str) -> None:
    archives.write_archive(UUID(archive_id))


@shared_task
def tend_archives() -> None:
    """What its announcement was lost for is written; what has expired goes away."""
    for pk in archives.unwritten():
        try:
            archives.write_archive(pk)
        except Exception:
            logger.exception("Archive %s could not be written.", pk)
    archives.drop_expired()
