"""The asynchronous server: `python -m config.stream --port 8000 --certificates /certs`.

Uvicorn reads its certificate once, when it starts. Here every connection is met with what lies in
the folder now, as gunicorn does it, so that a certificate made anew interrupts no long answer.
Without a folder it speaks plainly, for whoever has another proxy on the same host.
"""

import argparse
import ssl
import sys
from pathlib import Path
from typing import Any

import uvicorn

PATIENCE = 20  # seconds for open answers, once it is told to stop


class FreshContext(ssl.SSLContext):
    """Shows `server.pem` of the folder and lets in whom its `clients.crt` signed, both read anew.

    Raises OSError and ssl.SSLError for files that are missing or no certificates.
    """

    folder: Path

    def __new__(cls, folder: Path) -> "FreshContext":
        context = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        context.folder = folder
        context.read()
        return context

    def read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=self.folder / "clients.crt"
        )
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.folder / "server.pem")
        return context

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        return self.read().wrap_bio(*arguments, **named)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m config.stream")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificates", type=Path, metavar="FOLDER")
    given = parser.parse_args(arguments)
    folder: Path | None = given.certificates
    uvicorn.run(
        "config.asgi:application",
        host=given.host,
        port=given.port,
        ssl_context_factory=(lambda config, default: FreshContext(folder)) if folder else None,
        access_log=False,
        log_level="warning",
        proxy_headers=False,  # the application reads them itself, and counts TRUSTED_PROXIES
        timeout_graceful_shutdown=PATIENCE,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
