"""What is killed: workers, beat and a broker, each a process of its own as in production."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import redis

ROOT = Path(__file__).resolve().parent.parent.parent
WORKER = (
    "worker", "--pool=threads", "--concurrency=2", "--queues=default,engine",
    "--loglevel=WARNING", "--without-gossip", "--without-mingle",
)  # fmt: skip
BEAT = ("beat", "--loglevel=WARNING", "--pidfile=")


class Process:
    """A process that is started again when it was killed. What it says goes to `log`."""

    def __init__(self, command: list[str], log: IO[str]) -> None:
        self._command, self._log = command, log
        self.start()

    def start(self) -> None:
        self.popen = subprocess.Popen(
            self._command,
            cwd=ROOT,
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the script, which ends them
        )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def kill(self) -> None:
        """SIGKILL: it gets no chance to say goodbye."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after `seconds`: afterwards it believes that no time has passed."""
        self.popen.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.popen.send_signal(signal.SIGCONT)

    def end(self, seconds: float = 30) -> None:
        """As an operator ends it; what does not follow is killed."""
        self.popen.terminate()
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()


def celery(log: IO[str], *arguments: str) -> Process:
    return Process([sys.executable, "-m", "celery", "--app=config", *arguments], log)


class Broker:
    """A Redis of our own where the machine has the program, else an empty database of `url`.

    The first is killed for real and comes back empty; of the other all clients are cut off and all
    contents thrown away, which looks the same from outside.
    """

    def __init__(self, url: str, log: IO[str]) -> None:
        self.url, self._own, self._log = url, None, log
        if program := shutil.which("redis-server"):
            port = _free_port()
            self.url = f"redis://127.0.0.1:{port}/0"
            quiet = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
            self._own = Process([program, "--port", str(port), *quiet], log)
            self._until_up()
        elif self._client().dbsize():
            raise SystemExit(f"{url} is not empty; name another by REDIS_URL.")

    def _client(self) -> redis.Redis:
        return redis.from_url(self.url, socket_timeout=5)

    def _until_up(self) -> None:
        for _ in range(500):
            with suppress(redis.RedisError, OSError):
                self._client().ping()
                return
            time.sleep(0.01)
        raise SystemExit("Redis does not start.")

    def cut(self) -> None:
        """Every connection to it breaks."""
        with suppress(redis.RedisError, OSError), self._client() as client:
            own, here = client.client_id(), str(client.connection_pool.connection_kwargs["db"])
            for row in client.client_list():
                if row["db"] == here and int(row["id"]) != own:
                    with suppress(redis.RedisError):
                        client.client_kill_filter(_id=row["id"])

    def forget(self) -> None:
        """All messages that wait are lost."""
        with suppress(redis.RedisError, OSError), self._client() as client:
            client.flushdb()

    def kill(self, seconds: float) -> None:
        """It dies with all it holds and is back after `seconds`."""
        if self._own is None:
            self.forget()
            self.cut()
            return
        self._own.kill()
        time.sleep(seconds)
        self._own.start()
        self._until_up()

    def end(self) -> None:
        if self._own is not None:
            self._own.kill()
        else:
            self.forget()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def workers(count: int, log: IO[str]) -> list[Process]:
    return [celery(log, *WORKER, f"--hostname=chaos{n}.{os.getpid()}@%h") for n in range(count)]
