"""`make run` as a newcomer types it: it serves, signs in, and leaves no process behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def group_members(group: int) -> list[str]:
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,pid=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(maxsplit=2) for line in listed.stdout.splitlines())
    return [row[2] for row in rows if row[0] == str(group)]


def main() -> int:
    port = free_port()
    with tempfile.TemporaryDirectory() as data:
        log = Path(data, "log")
        started = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["make", "run", f"PORT={port}"],
                cwd=ROOT,
                env=os.environ | {"DATA_DIR": data},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until_served(port, process, log)
            print(f"make run serves after {time.monotonic() - started:.1f} s")
            assert re.search(r"Sign in .*@", log.read_text()), log.read_text()
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(30)
        time.sleep(0.5)
        left = group_members(process.pid)
        assert not left, left
    print("make run ends cleanly")
    return 0


def wait_until_served(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text())


if __name__ == "__main__":
    sys.exit(main())
