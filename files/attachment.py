"""A stored file as an answer: always an attachment that no browser may sniff."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import IO

from django.http import FileResponse

from files.models import StoredFile


class Attachment(FileResponse):
    """A file response that an ASGI server streams too, instead of reading it whole first."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks: Iterator[bytes] = iter(self)
        while chunk := await asyncio.to_thread(next, chunks, b""):
            yield chunk


def attachment_of(file: StoredFile, content: IO[bytes]) -> Attachment:
    """Strangers wrote what is in it."""
    response = Attachment(
        content, as_attachment=True, filename=file.name, content_type=file.content_type
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
