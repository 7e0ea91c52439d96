"""The launcher: a small clean process that forks one confined child for every call.

It is started anew (no memory, environment or descriptors of the worker), imports the standard
library once, and then only forks, so that a call costs milliseconds. The worker sends a socket for
each call; the child answers on it first with a descriptor of itself, by which it can be killed.
Standard library only. It ends with its worker, and its children end with it.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from workflows.sandbox import confinement, python_harness, seccomp
from workflows.sandbox.confinement import EXECUTE, FILE_RIGHTS, READ_DIR, READ_FILE, Level

CONNECTION = 3  # where a JavaScript child finds its connection
HEARTBEAT_SECONDS = 1.0
PYTHON, NODE = b"p", b"n"
ENVIRONMENT = {"LANG": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin", "HOME": "/"}
TIME_ZONES = "/usr/share/zoneinfo"
NODE_READS = (
    "/lib", "/lib64", "/usr/lib", "/usr/local/lib", "/etc/ld.so.cache", "/dev/null",
    "/dev/urandom", "/etc/ssl/openssl.cnf",
)  # fmt: skip
# Imported once: what code nodes use most, and what needs system libraries (out of reach later).
# The rest of the standard library is imported by the calls that want it.
PRELOADED = (
    "base64", "binascii", "bisect", "bz2", "calendar", "collections.abc", "copy", "csv",
    "dataclasses", "datetime", "decimal", "enum", "functools", "hashlib", "heapq", "hmac", "html",
    "itertools", "json", "lzma", "math", "operator", "random", "re", "secrets", "statistics",
    "string", "textwrap", "time", "traceback", "types", "typing", "unicodedata", "urllib.parse",
    "uuid", "zlib", "_strptime",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What the worker asks for on the command line, as JSON."""

    control: int  # descriptor of a socket that brings one message and one socket a call
    parent: int
    uid: int
    concurrency: int
    memory: int  # bytes
    cpu_seconds: int
    node: str = ""
    node_script: str = ""
    packages: list[str] = field(default_factory=list)  # pure Python, importable by code
    package_paths: list[str] = field(default_factory=list)


def main() -> NoReturn:
    """Entered by `launcher` with `Options` as the last argument."""
    options = Options(**json.loads(sys.argv[-1]))
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    os.chdir("/")
    os.umask(0o077)
    sys.dont_write_bytecode = True
    confinement.hide_from_debuggers()
    library = _library_through_descriptor()
    _preload(options)
    gc.collect()
    gc.freeze()
    _Zygote(options, library).serve()


def _library_through_descriptor() -> int:
    """Make imports go through an open directory.

    After the change of user, the path to the standard library may not be passable (an interpreter
    in somebody's home); a descriptor of it still is.
    """
    home = str(Path(os.__file__).parent)
    library = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    alias = f"/proc/self/fd/{library}"
    if not Path(alias, "os.py").exists():  # no /proc here
        alias = home
    sys.path[:] = [alias, f"{alias}/lib-dynload"]
    sys.path_importer_cache.clear()
    for module in list(sys.modules.values()):
        if isinstance(paths := getattr(module, "__path__", None), list):
            paths[:] = [path.replace(home, alias, 1) for path in paths]
    return library


def _preload(options: Options) -> None:
    sys.path += options.package_paths
    for name in PRELOADED:
        with contextlib.suppress(ImportError):  # interpreters differ
            importlib.import_module(name)
    for name in options.packages:
        package = importlib.import_module(name)
        for part in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
            with contextlib.suppress(ImportError):
                importlib.import_module(part.name)
    del sys.path[2:]


class _Zygote:
    def __init__(self, options: Options, library: int) -> None:
        self.options = options
        self.level = confinement.level()
        self.control = socket.socket(fileno=options.control)
        self.awake, self.bell = socket.socketpair()  # rung by every child that ends
        self.null = os.open("/dev/null", os.O_RDWR)
        self.library = library
        self.programs = {
            PYTHON: seccomp.build(files=self.level != Level.SECCOMP),
            NODE: seccomp.build(node=True),
        }
        self.readable = {
            PYTHON: {library: READ_FILE | READ_DIR} | _rights(READ_FILE | READ_DIR, TIME_ZONES),
            NODE: _rights(FILE_RIGHTS | READ_DIR, *NODE_READS, options.node),
        }
        self.limits = {
            PYTHON: self._limits() | {"RLIMIT_AS": options.memory},
            NODE: self._limits() | {"RLIMIT_DATA": options.memory, "RLIMIT_NOFILE": 64},
        }

    def _limits(self) -> dict[str, int]:
        # Without a filter nothing else stops a fork; with it, threads are let through.
        lone = {} if self.level in {Level.FULL, Level.SECCOMP} else {"RLIMIT_NPROC": 0}
        return lone | {
            "RLIMIT_CPU": self.options.cpu_seconds,
            "RLIMIT_FSIZE": 0,
            "RLIMIT_NOFILE": 32,
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 0,
            "RLIMIT_MSGQUEUE": 0,
        }

    def serve(self) -> NoReturn:
        self.awake.setblocking(False)
        self.bell.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self.bell.fileno(), warn_on_full_buffer=False)
        alive = 0
        while os.getppid() == self.options.parent:
            listening = [self.awake]
            if alive < self.options.concurrency:
                listening.append(self.control)
            ready = select.select(listening, [], [], HEARTBEAT_SECONDS)[0]
            if self.awake in ready:
                self.awake.recv(4096)
            alive -= _reap()
            if self.control in ready:
                message, connections, _, _ = socket.recv_fds(self.control, 16, 1)
                if not message:
                    break
                alive += self._launch(message[:1], connections)
        os._exit(0)

    def _launch(self, language: bytes, connections: list[int]) -> int:
        """Fork a child for the call; without one the worker sees its socket close."""
        if len(connections) != 1:
            return 0
        try:
            child = os.fork()
        except OSError:
            child = -1
        if child == 0:
            self._become_child(language, connections[0])
        os.close(connections[0])
        return int(child > 0)

    def _become_child(self, language: bytes, connection: int) -> NoReturn:
        try:
            self._confine(language, connection)
            if language == NODE:
                self._become_node()
            python_harness.serve(connection)
        finally:
            os._exit(1)

    def _confine(self, language: bytes, connection: int) -> None:
        """Everything is given up here, before the first byte of the job is read."""
        parent = os.getppid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for standard in (0, 1, 2):
            os.dup2(self.null, standard)
        os.setsid()
        os.nice(5)
        myself = os.pidfd_open(os.getpid())
        confinement.become(self.options.uid)
        confinement.die_with(parent)
        confinement.hide_from_debuggers()
        if self.level in {Level.FULL, Level.LANDLOCK}:
            confinement.landlock(self.readable[language])
        with socket.socket(fileno=os.dup(connection)) as announcing:
            socket.send_fds(announcing, [language], [myself])
        confinement.limit(self.limits[language])  # not before: few files also means few in flight
        if language == NODE:  # keeps nothing else through its exec
            os.dup2(connection, CONNECTION)
            os.set_inheritable(CONNECTION, True)
        else:
            _close_all_but(0, 1, 2, connection, self.library)
        if self.level in {Level.FULL, Level.SECCOMP}:
            seccomp.install(self.programs[language])

    def _become_node(self) -> NoReturn:
        heap = self.options.memory // (1 << 20) // 2
        arguments = [f"--max-old-space-size={heap}", "--no-warnings", "-e"]
        os.execve(  # nosec B606 # noqa: S606 - the interpreter found at start, no shell
            self.options.node,
            [self.options.node, *arguments, self.options.node_script],
            ENVIRONMENT,
        )


def _rights(rights: int, *paths: str) -> dict[int, int]:
    """Rights by open descriptor, for those of the paths that exist."""
    found = {}
    for path in filter(None, paths):
        with contextlib.suppress(FileNotFoundError):
            allowed = rights if Path(path).is_dir() else rights & (EXECUTE | READ_FILE)
            found[os.open(path, os.O_PATH)] = allowed
    return found


def _close_all_but(*kept: int) -> None:
    for low, high in pairwise([*sorted(kept), 256]):
        if low + 1 < high:  # an empty range closes everything in some Pythons
            os.closerange(low + 1, high)


def _reap() -> int:
    """How many children have ended since the last look."""
    ended = 0
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            ended += 1
    return ended
