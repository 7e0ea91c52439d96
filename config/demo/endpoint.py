"""A local endpoint that takes what a flow posts, so that the demonstration ends in the world."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from django.conf import settings

from config.env import networks_in


class Endpoint:
    """`with Endpoint() as endpoint:` listens on loopback; `received` holds the posted forms.

    The guard against addresses inside is opened for 127.0.0.1 while it listens, in this process
    alone: nothing else may reach it.
    """

    def __init__(self) -> None:
        self.received: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._before: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/outcome"

    def __enter__(self) -> Self:
        self._before = settings.OUTGOING_ALLOW
        settings.OUTGOING_ALLOW = [*self._before, *networks_in("127.0.0.1/32")]
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        settings.OUTGOING_ALLOW = self._before
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                received.append({name: values[0] for name, values in parse_qs(body).items()})
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - their name
                """The report says what arrived."""

        return Handler
