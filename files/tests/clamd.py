"""A server that speaks clamd's INSTREAM on the loopback, for tests."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Assembled here: as one text it would have this file itself taken away.
EICAR = ("X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE" + "!$H+H*").encode()
LIMIT = 1_000_000


class Clamd:
    """`seen` holds each stream as it came together; `says` is said whatever came."""

    def __init__(self, listener: socket.socket, says: bytes | None) -> None:
        self.seen: list[bytes] = []
        self.says = says
        self._listener = listener
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        assert stream.read(10) == b"zINSTREAM\0"
        whole = b""
        while size := struct.unpack("!I", stream.read(4))[0]:
            whole += stream.read(size)
            if len(whole) > LIMIT:
                connection.sendall(b"INSTREAM size limit exceeded. ERROR\0")
                return
        self.seen.append(whole)
        connection.sendall(self._verdict(whole) if self.says is None else self.says)

    @staticmethod
    def _verdict(whole: bytes) -> bytes:
        return b"stream: Eicar-Test-Signature FOUND\0" if EICAR in whole else b"stream: OK\0"


@contextmanager
def clamd(says: bytes | None = None, path: Path | None = None) -> Iterator[tuple[Clamd, str]]:
    """The server and what CLAMAV_URL is to be."""
    listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    listener.bind(str(path) if path else ("127.0.0.1", 0))
    listener.listen()
    url = f"unix://{path}" if path else f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield Clamd(listener, says), url
    finally:
        listener.close()
