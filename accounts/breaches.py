"""Whether a password is known from a data leak: in a file here, or at a range service.

Both know passwords by their SHA-1, in hexadecimal digits. The service gets the first five of them
(k-anonymity, as in the range API of Pwned Passwords), and its answer is compared here. The file is
what the downloader of Pwned Passwords writes: one `SHA-1:count` a line, ordered by the SHA-1.
"""

from __future__ import annotations

import hashlib
import logging
import os
from typing import BinaryIO

from asgiref.sync import async_to_sync
from django.conf import settings

from core.http import OutgoingError, send

logger = logging.getLogger(__name__)

SECONDS = 3.0
LONGEST_LINE = 200


def leaked(password: str) -> bool | None:
    """None: nobody could be asked; the reason is logged. The file is asked before the service."""
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    answers = []
    if settings.BREACHED_PASSWORDS_LIST:
        answers.append(_in_file(settings.BREACHED_PASSWORDS_LIST, digest))
    if settings.BREACHED_PASSWORDS_URL and True not in answers:
        answers.append(_at_service(digest))
    if True in answers:
        return True
    return False if False in answers else None


def _in_file(path: str, digest: str) -> bool | None:
    try:
        with open(path, "rb") as file:
            return _first_from(file, digest.encode()) == digest.encode()
    except OSError as error:
        logger.warning("The list of leaked passwords cannot be read: %s", error.strerror)
        return None


def _first_from(file: BinaryIO, wanted: bytes) -> bytes:
    """The first key of the ordered file that is not below `wanted`: a search by halves."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        key = _key_at(file, middle)
        if key and key < wanted:
            low = middle + 1
        else:
            high = middle
    return _key_at(file, low)


def _key_at(file: BinaryIO, position: int) -> bytes:
    """The key of the first line that begins at or behind `position`; empty behind the last."""
    file.seek(max(position - 1, 0))
    if position:
        file.readline(LONGEST_LINE)
    return file.readline(LONGEST_LINE)[:40].upper()


def _at_service(digest: str) -> bool | None:
    try:
        answer = async_to_sync(send)(
            "GET",
            f"{settings.BREACHED_PASSWORDS_URL.rstrip('/')}/{digest[:5]}",
            headers={"Add-Padding": "true"},
            timeout=SECONDS,
            max_bytes=1024 * 1024,
            allow=settings.OUTGOING_ALLOW,
        )
    except OutgoingError as error:
        logger.warning("Leaked passwords cannot be looked up: %s", error)
        return None
    if answer.status != 200:
        logger.warning("Leaked passwords cannot be looked up: status %s", answer.status)
        return None
    rows = (line.strip().partition(":") for line in answer.text.splitlines())
    return any(rest.upper() == digest[5:] and count not in {"", "0"} for rest, _, count in rows)
