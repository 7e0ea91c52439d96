"""The door to where contents lie: a folder, or an S3 bucket. Which one, settings say."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any
from uuid import UUID

from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore ships no types
    BotoCoreError,
    ClientError,
)
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from files.errors import FileGone, StorageUnavailable


def key_for(organization_id: UUID, file_id: UUID, at: datetime) -> str:
    """A storage key. Nothing a person typed is in it, so no name can lead out of the folder."""
    return f"org/{organization_id}/{at:%Y}/{at:%m}/{file_id}"


def write(key: str, content: IO[bytes]) -> str:
    """Keep `content` from where it stands; returns the key in use. Raises StorageUnavailable."""
    with _translated(key):
        return default_storage.save(key, File(content))


def read(key: str) -> IO[bytes]:
    """The content, to be closed by the caller. Raises FileGone, StorageUnavailable."""
    with _translated(key):
        opened: Any = default_storage.open(key, "rb")
        return opened


def erase(key: str) -> None:
    """Take the content away; nothing happens when there is none. Raises StorageUnavailable."""
    with _translated(key):
        default_storage.delete(key)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise FileGone(_("The content of this file is gone."), key=key) from error
    except (OSError, BotoCoreError, ClientError) as error:
        raise StorageUnavailable(_("The file storage does not answer.")) from error
