"""Archives in the background. Repeating any of these is harmless."""

import logging
from uuid import UUID

from celery import shared_task

from files import archives

logger = logging.getLogger(__name__)


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
