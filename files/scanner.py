r"""Asks clamd about a content, where CLAMAV_URL names one: its INSTREAM command, docs.clamav.net.

`zINSTREAM\0`, then chunks of a length (four bytes, network order) and as many bytes, then a length
of zero. The answer ends with NUL: `stream: OK`, `stream: NAME FOUND`, or a complaint. Whatever is
not plainly one of the first two counts as no answer, and no answer as a refusal.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from contextlib import suppress
from typing import IO
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from files.errors import FileInfected, ScannerUnavailable

CHUNK = 64 * 1024
SECONDS = 30.0
"""For everything together."""
LONGEST_ANSWER = 4096
_FOUND = re.compile(r"stream: (.{1,300}) FOUND")


def is_scanning() -> bool:
    return bool(settings.CLAMAV_URL)


def scan(content: IO[bytes]) -> None:
    """Have `content` looked at from where it stands, and go back there; nothing without a scanner.

    Raises FileInfected and ScannerUnavailable.
    """
    if not is_scanning():
        return
    start = content.tell()
    answer = _asked(content)
    content.seek(start)
    if answer == "stream: OK":
        return
    if found := _FOUND.fullmatch(answer):
        raise FileInfected(_("This file contains malware."), signature=found[1])
    raise ScannerUnavailable(_("The file could not be checked for malware."), reason=answer[:200])


def _asked(content: IO[bytes]) -> str:
    until = time.monotonic() + SECONDS
    try:
        with _connected() as connection:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before the end
                _tell(connection, content, until)
            return _heard(connection, until)
    except OSError as error:
        raise ScannerUnavailable(
            _("The file could not be checked for malware."), reason=type(error).__name__
        ) from error


def _connected() -> socket.socket:
    parts = urlsplit(settings.CLAMAV_URL)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SECONDS)
        try:
            connection.connect(parts.path)
        except OSError:
            connection.close()
            raise
        return connection
    return socket.create_connection((parts.hostname or "", parts.port or 3310), SECONDS)


def _tell(connection: socket.socket, content: IO[bytes], until: float) -> None:
    connection.sendall(b"zINSTREAM\0")
    while chunk := content.read(CHUNK):
        connection.settimeout(_left(until))
        connection.sendall(struct.pack("!I", len(chunk)) + chunk)
    connection.sendall(struct.pack("!I", 0))


def _heard(connection: socket.socket, until: float) -> str:
    answer = bytearray()
    while b"\0" not in answer and len(answer) < LONGEST_ANSWER:
        connection.settimeout(_left(until))
        piece = connection.recv(LONGEST_ANSWER)
        if not piece:
            break
        answer += piece
    told, ended, _rest = answer.partition(b"\0")
    return told.decode("utf-8", "replace") if ended else ""


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
