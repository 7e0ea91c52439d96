"""The worker's hold on its launcher process: started when first needed, replaced when it dies."""

import atexit
import contextlib
import json
import math
import os
import shutil
import socket
import subprocess  # nosec B404 # our own interpreter alone is started
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from workflows.sandbox.errors import SandboxUnavailable

HERE = Path(__file__).parent
DEFAULTS = {
    "minimum": "landlock",  # the weakest `Level` the operator accepts
    "concurrency": max(4, 2 * (os.cpu_count() or 1)),
    "memory_mb": 512,
    "cpu_seconds": 60,
    "uid": 61999,  # owns nothing; taken on when the worker is root
}
PACKAGES = ("jinja2",)
# A bare stand-in for the package, so that the launcher loads neither Django nor asyncio.
BOOTSTRAP = """
import sys, types
for name in ("workflows", "workflows.sandbox"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["workflows.sandbox"].__path__ = [sys.argv[1]]
from workflows.sandbox.zygote import main
main()
"""


def option(name: str) -> Any:
    return {**DEFAULTS, **getattr(settings, "CODE_SANDBOX", {})}[name]


@lru_cache(maxsize=1)
def node_path() -> str:
    """The JavaScript interpreter, or "" where there is none."""
    found = shutil.which("node")
    return str(Path(found).resolve()) if found else ""


class Launcher:
    """One launcher process; safe to use from any thread and event loop of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it unless it runs. Blocks for some milliseconds; raises SandboxUnavailable."""
        with self._lock:
            if self.is_running:
                return
            self._drop()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.setblocking(False)
            with theirs:
                try:
                    self._process = _spawn(theirs)
                except OSError as error:
                    ours.close()
                    raise SandboxUnavailable(str(error), "SandboxUnavailable") from error
            self._control = ours

    def send(self, language: bytes, connection: socket.socket) -> None:
        """Hand a call over. Raises BlockingIOError when many wait, OSError when it has died."""
        control = self._control
        if control is None:
            raise BrokenPipeError
        socket.send_fds(control, [language], [connection.fileno()])

    def stop(self) -> None:
        """End it and every call it runs."""
        with self._lock:
            self._drop()

    def forget(self) -> None:
        """After a fork: the launcher belongs to the parent."""
        self._lock = threading.Lock()
        if self._control:
            self._control.close()
        if self._process:
            self._process.returncode = 0  # not ours to wait for
        self._process = self._control = None

    def _drop(self) -> None:
        if self._control:
            self._control.close()
        if self._process:
            with contextlib.suppress(OSError):
                self._process.kill()
            self._process.wait()
        self._process = self._control = None


def _spawn(control: socket.socket) -> subprocess.Popen[bytes]:
    arguments = json.dumps(_options(control.fileno()))
    interpreter = os.path.realpath(sys.executable)
    return subprocess.Popen(  # nosec B603 # noqa: S603 - our own interpreter and code
        [interpreter, "-I", "-S", "-c", BOOTSTRAP, str(HERE), arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(control.fileno(),),
        env={},
        cwd="/",
        start_new_session=True,
    )


def _options(control: int) -> dict[str, Any]:
    packages = [__import__(name) for name in PACKAGES]
    return {
        "control": control,
        "parent": os.getpid(),
        "uid": option("uid"),
        "concurrency": option("concurrency"),
        "memory": option("memory_mb") * 1024 * 1024,
        "cpu_seconds": math.ceil(option("cpu_seconds")),
        "node": node_path(),
        "node_script": (HERE / "node_harness.js").read_text(encoding="utf-8"),
        "packages": list(PACKAGES),
        "package_paths": sorted({str(Path(str(p.__file__)).parent.parent) for p in packages}),
    }


launcher = Launcher()
atexit.register(launcher.stop)
os.register_at_fork(after_in_child=launcher.forget)
