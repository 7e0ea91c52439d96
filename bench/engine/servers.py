"""A PostgreSQL and a Redis that exist for one measurement."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import redis

from bench.engine.machine import free_port

HERE = Path(__file__).parent
PATIENCE = 60
SETTINGS = {
    # All else as PostgreSQL comes. No checkpoint falls into a round; the cluster goes on the disk.
    "listen_addresses": "127.0.0.1",
    "max_connections": "250",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "maintenance_work_mem": "256MB",
    "log_min_messages": "fatal",
}


class Missing(RuntimeError):
    """Something a measurement needs is not on this machine; its text says what."""


class Cluster:
    """Databases with `synchronous_commit` on, in a folder of their own.

    PostgreSQL refuses to run as root: there it runs as its own user, who gets the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.data, self.port = folder / "postgres", free_port()
        self.user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self.data.mkdir()
        if self.user:
            os.chmod(folder, 0o755)
            shutil.chown(self.data, self.user)
        ask = [binary("initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust"]
        done = subprocess.run(
            [*ask, "-E", "UTF8", "--no-locale", "--no-sync"],
            user=self.user, cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Missing(f"initdb failed: {done.stderr.strip()}")

    def start(self, preload: Path | None = None) -> None:
        given = SETTINGS | {"port": str(self.port), "unix_socket_directories": str(self.data)}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        environment = {**os.environ, "LD_PRELOAD": str(preload)} if preload else None
        self._process = subprocess.Popen(
            [binary("postgres"), "-D", str(self.data), *options],
            user=self.user, cwd="/", env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(lambda: psycopg.connect(self.url("postgres")).close(), "PostgreSQL")

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGINT)  # fast: ends connections, then writes all
            self._process.wait(PATIENCE)
            self._process = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def url(self, name: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def run(self, statement: str, name: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []


def binary(name: str) -> str:
    """The newest of that name: on the path, or where Debian keeps the servers."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(places[-1]) if places else shutil.which(name)
    if not found:
        raise Missing(f"{name} of PostgreSQL is not installed here")
    return found


def slow_disk(folder: Path) -> Path:
    """The library that makes a flush a millisecond slower. Raises Missing without a compiler."""
    compiler, made = shutil.which("cc") or shutil.which("gcc"), folder / "slow_disk.so"
    if compiler is None:
        raise Missing("no C compiler, so no slower disk")
    source = str(HERE / "slow_disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", made, source, "-ldl"], check=True)
    made.chmod(0o755)
    return made


@contextmanager
def broker(folder: Path) -> Iterator[tuple[str, int]]:
    """A Redis without files: its address, to which a number of a database is added, and its pid."""
    found, port = shutil.which("redis-server"), free_port()
    if found is None:
        raise Missing("redis-server is not installed here")
    quiet = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", str(folder)]
    process = subprocess.Popen(
        [found, "--port", str(port), *quiet], stdout=subprocess.DEVNULL, start_new_session=True
    )
    address = f"redis://127.0.0.1:{port}"
    try:
        wait_for(lambda: redis.from_url(address).ping(), "Redis")
        yield address, process.pid
    finally:
        end(process)


def wait_for(attempt: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            attempt()
        except (OSError, psycopg.Error, redis.RedisError, LookupError) as error:
            if time.monotonic() > until:
                raise Missing(f"{what} did not start: {error}") from error
            time.sleep(0.05)
        else:
            return


def end(process: subprocess.Popen[Any], seconds: float = 20) -> None:
    """End a process that leads a session, and whatever is left below it."""
    with suppress(ProcessLookupError):
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(seconds)


def _unprivileged() -> str | None:
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise Missing("PostgreSQL does not run as root, and there is no user for it")
