"""A server process for browser journeys: SQLite in a new folder, worker and beat inside."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct-horse-battery"
OPERATOR = "operator@example.com"


def chromium() -> str | None:
    """The browser's path: CHROMIUM in the environment, else the usual names."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@dataclass(frozen=True)
class Site:
    url: str
    folder: Path
    environment: dict[str, str]

    def manage(self, *arguments: str, **extra: str) -> str:
        """Run a management command beside the server, on the same database."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment | extra,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
        return done.stdout


@contextmanager
def serving(folder: Path, **extra: str) -> Iterator[Site]:
    """Migrate, make an operator, serve; the process is gone when the block ends."""
    port = _free_port()
    site = Site(f"http://127.0.0.1:{port}", folder, _environment(folder, port) | extra)
    site.manage("migrate", "--verbosity", "0")
    site.manage(
        "createsuperuser",
        "--noinput",
        "--email",
        OPERATOR,
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )
    log = (folder / "server.log").open("w")
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=site.environment, stdout=log, stderr=log)
    try:
        _wait_until_up(site, process)
        yield site
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _environment(folder: Path, port: int) -> dict[str, str]:
    # The suite's own DATABASE_URL is not for the server: it would find the suite's tables.
    kept = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "config.settings.base",
        "DATA_DIR": str(folder),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "EMBEDDED_WORKER": "1",
        "OUTGOING_ALLOW": "127.0.0.0/8",
        "LOG_LEVEL": "WARNING",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_up(site: Site, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{site.url}/healthz", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError("The server did not start:\n" + (site.folder / "server.log").read_text())
