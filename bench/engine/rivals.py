"""The peers as processes: installed once, each told what to run, asleep while others run."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Self

from bench.engine.servers import HERE, Cluster, Missing, end

PEERS = HERE / "peers"
LISTED = PEERS / "requirements.txt"
SLOWEST = 120.0


def interpreter(cache: Path) -> Path:
    """The Python of the peers' own virtual environment, made where it is not there yet.

    Raises Missing with what the installer said.
    """
    digest = sha256(LISTED.read_bytes()).hexdigest()[:12]
    home = cache / f"bench-peers-{digest}"
    python, done = home / "bin" / "python", home / "installed"
    if not done.exists():
        print("installing the peers …", file=sys.stderr)
        uv = Path(sys.executable).parent / "uv"
        tool = [str(uv)] if uv.exists() else [sys.executable, "-m", "uv"]
        _run([*tool, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)])
        _run([*tool, "pip", "install", "--quiet", "--python", str(python), "-r", str(LISTED)])
        done.touch()
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"the peers could not be installed: {error}") from error
    if done.returncode:
        raise Missing(f"the peers could not be installed: {done.stderr.strip()[-600:]}")


@dataclass
class Rival:
    """One peer. Entering starts and warms it; it sleeps whenever it is not asked."""

    name: str
    python: Path
    cluster: Cluster
    folder: Path
    broker: str = ""
    ways: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        database = f"bench_{self.name}"
        if not self.cluster.run(f"SELECT 1 FROM pg_database WHERE datname = '{database}'"):
            self.cluster.run(f"CREATE DATABASE {database}")
        url = self.cluster.url(database)
        kept = {"PATH", "HOME", "LANG", "TMPDIR"}
        environment = {name: value for name, value in os.environ.items() if name in kept}
        environment |= {"PEER_DATABASE": url, "PEER_BROKER": self.broker}
        self.said = self.folder / f"{self.name}.log"
        self.process = subprocess.Popen(
            [str(self.python), str(PEERS / f"{self.name}_peer.py"), url],
            env=environment, cwd=PEERS, start_new_session=True, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said.open("ab"),
        )  # fmt: skip
        try:
            self.ways = self._answer()["ready"]
            for way in self.ways if self.name == "dbos" else ["W1"]:
                self.ask(way)
        except BaseException:
            self.__exit__()
            raise
        return self

    def ask(self, workload: str) -> float:
        """Seconds the workload took by the peer's own clock. Raises Missing when it failed."""
        os.killpg(self.process.pid, signal.SIGCONT)
        time.sleep(0.2)  # what a sleeper has to catch up with is no part of the workload
        assert self.process.stdin
        self.process.stdin.write(workload + "\n")
        answer = self._answer()
        os.killpg(self.process.pid, signal.SIGSTOP)
        wall: float = answer["wall"]
        return wall

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        with DefaultSelector() as selector:
            selector.register(self.process.stdout, EVENT_READ)
            if not selector.select(SLOWEST):
                raise Missing(f"{self.name} did not answer within {SLOWEST:.0f} s")
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            last = self.said.read_text(errors="replace").strip()[-400:]
            raise Missing(f"{self.name}: {answer['error']} {last}")
        return answer

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGCONT)
        with suppress(OSError, ValueError):
            if self.process.stdin:
                self.process.stdin.close()
            self.process.wait(8)
        if self.process.returncode is None:
            end(self.process, 5)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process.stdout:
            self.process.stdout.close()
