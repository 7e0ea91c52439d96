"""Where a message ends is never open to doubt (request smuggling): the servers refuse what is.

Raw bytes to gunicorn, uvicorn and Caddy as compose.yaml starts them. Behind the doubtful request
stands a second one: were it answered, it would have been smuggled past whoever was in front.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.deployed import ROOT, SERVICES, free_port

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CHUNK = b"0\r\n\r\n"
DOUBTFUL = {
    "length and chunks": (b"Content-Length: 40\r\nTransfer-Encoding: chunked", CHUNK),
    "chunks and length": (b"Transfer-Encoding: chunked\r\nContent-Length: 40", CHUNK),
    "two lengths": (b"Content-Length: 0\r\nContent-Length: 44", b""),
    "a list of lengths": (b"Content-Length: 0, 44", b""),
    "a signed length": (b"Content-Length: +0", b""),
    "a negative length": (b"Content-Length: -1", b""),
    "a length in another base": (b"Content-Length: 0x0", b""),
    "a length with a space inside": (b"Content-Length: 0 0", b""),
    "an unknown coding": (b"Transfer-Encoding: xchunked", CHUNK),
    "chunks before another coding": (b"Transfer-Encoding: chunked, identity", CHUNK),
    "a coding twice": (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", CHUNK),
    "a space before the colon": (b"Transfer-Encoding : chunked", CHUNK),
    "a header without a colon": (b"Transfer-Encoding chunked", CHUNK),
    "a bare line feed inside": (b"X: a\nContent-Length: 44", b""),
    "a bare carriage return": (b"X: a\rContent-Length: 44", b""),
    "a null byte": (b"X: a\x00\r\nContent-Length: 0", b""),
    "a chunk of no size": (b"Transfer-Encoding: chunked", b"\r\n\r\n"),
    "a signed chunk": (b"Transfer-Encoding: chunked", b"+0\r\n\r\n"),
    "a chunk in hexadecimal's clothes": (b"Transfer-Encoding: chunked", b"0x0\r\n\r\n"),
    "a chunk longer than it says": (b"Transfer-Encoding: chunked", b"1\r\nab\r\n0\r\n\r\n"),
}
HARMLESS = {
    "a length": (b"Content-Length: 0", b""),
    "chunks": (b"Transfer-Encoding: chunked", CHUNK),
}


def request_of(headers, body):
    return b"POST /healthz HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n" + body


def statuses(port, headers, body):
    """Of every answer to the request and the one behind it, until the server hangs up.

    TimeoutError: it neither answered both nor hung up.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request_of(headers, body) + SMUGGLED)
        got = b""
        with suppress(ConnectionResetError):
            while piece := client.recv(65536):
                got += piece
    return [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture(scope="module", params=["web", "stream"])
def port(request, tmp_path_factory):
    """The servers by compose's own commands, without TLS, which changes no byte."""
    with serving(request.param, tmp_path_factory.mktemp("data")) as port:
        yield port


@contextmanager
def serving(name, data):
    port = free_port()
    swaps = {
        "--bind=0.0.0.0:8000": f"--bind=127.0.0.1:{port}",
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=8000": f"--port={port}",
        "--workers=2": "--workers=1",
    }
    command = [swaps.get(part, part) for part in SERVICES[name]["command"] if "/certs" not in part]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATA_DIR": str(data),
    }
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_clear_is_answered_and_so_is_what_stands_behind_it(port, name):
    assert statuses(port, *HARMLESS[name])[1:] == [404]


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_is_doubtful_is_refused_and_nothing_behind_it_is_read(port, name):
    """A view may have answered before the end of its body was looked for; then nothing follows."""
    found = statuses(port, *DOUBTFUL[name])

    assert 404 not in found
    assert found[-1] in {400, 501}
