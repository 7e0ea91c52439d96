"""Prefect with a server of its own. It records task states as it goes, but not durably per step.

Arguments: the address of its database. W2 is a twentieth: 10 runs of 10 tasks.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from talk import OUTPUT, serve


@contextmanager
def server(database: str, home: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {
        "PREFECT_HOME": home,
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_ENABLED": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        "DO_NOT_TRACK": "1",
    }
    url = database.replace("postgres://", "postgresql+asyncpg://")
    own = {**os.environ, "PREFECT_API_DATABASE_CONNECTION_URL": url}
    command = [str(Path(sys.executable).parent / "prefect"), "server", "start", "--no-ui"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], env=own, stdout=sys.stderr
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api/health")
        yield str(port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait_for(address: str) -> None:
    for _ in range(900):
        try:
            urllib.request.urlopen(address, timeout=2).close()  # the server just started here
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("Prefect's server did not start")


def run() -> None:
    from prefect import flow, task  # noqa: PLC0415 - the environment is chosen now

    @task
    async def step(number: int) -> dict[str, object]:
        return OUTPUT

    @flow
    async def chain(steps: int) -> int:
        for number in range(steps):
            await step(number)
        return steps

    @flow
    async def fan(steps: int) -> int:
        return len(await asyncio.gather(*(step(number) for number in range(steps))))

    async def chains(count: int) -> None:
        assert await asyncio.gather(*(chain(10) for _ in range(count))) == [10] * count

    serve(
        {
            "W1": lambda: asyncio.run(chain(40)),
            "W2": lambda: asyncio.run(chains(10)),
            "W3": lambda: asyncio.run(fan(100)),
        }
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home, server(sys.argv[1], home):
        run()
