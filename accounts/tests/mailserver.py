"""A mail server on the loopback that takes, puts off, refuses or hangs up, for tests."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

TAKE, BUSY, REFUSE, HANG_UP = "take", "busy", "refuse", "hang up"


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 test")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"QUIT":
                self._say("221 bye")
                return
            if verb == b"DATA":
                if not self._data():
                    return
            elif verb == b"RCPT" and self.server.mood == REFUSE:
                self._say("550 nobody of that name")
            else:
                self._say("250 fine")

    def _data(self) -> bool:
        self._say("354 go on")
        text = b""
        while (line := self.rfile.readline()) != b".\r\n":
            text += line
        self.server.seen += 1
        if self.server.mood == HANG_UP:
            return False
        if self.server.mood == BUSY:
            self._say("451 later")
            return True
        self.server.taken.append(email.message_from_bytes(text, policy=email.policy.default))
        self._say("250 taken")
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class MailServer(socketserver.ThreadingTCPServer):
    """`mood` is what it does with the next letters; `taken` are those it accepted."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mood, self.seen = TAKE, 0
        self.taken: list[EmailMessage] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
