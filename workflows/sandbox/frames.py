"""The form of what passes between a worker and confined code: length, then JSON.

Standard library only: both sides of the wall read this.
"""

import json
import os
import struct
from typing import Any

LENGTH = struct.Struct(">I")


def encode(message: Any) -> bytes:
    """Raises ValueError for NaN and circles, TypeError for what is not JSON, RecursionError."""
    body = json.dumps(message, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    return LENGTH.pack(len(body)) + body


def read(descriptor: int) -> Any:
    """The next message; EOFError when the other side has gone."""
    (length,) = LENGTH.unpack(_exactly(descriptor, LENGTH.size))
    return json.loads(_exactly(descriptor, length))


def write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _exactly(descriptor: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = os.read(descriptor, min(length - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
