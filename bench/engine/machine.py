"""What the machine did meanwhile: CPU time of process trees, of everybody else, memory."""

import contextlib
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HZ = os.sysconf("SC_CLK_TCK")
FIRST_TIME = 11  # utime, stime and those of reaped children follow, after the name in brackets


def cpu_of(roots: Iterable[int]) -> float:
    """Seconds of CPU that these processes and all below them took so far; 0 where /proc is none."""
    children: dict[int, list[int]] = {}
    spent: dict[int, float] = {}
    for name in filter(str.isdigit, _entries()):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(name))
            spent[int(name)] = sum(map(int, fields[FIRST_TIME : FIRST_TIME + 4])) / HZ
    total, left = 0.0, [pid for pid in roots if pid]
    while left:
        pid = left.pop()
        total += spent.get(pid, 0.0)
        left += children.get(pid, [])
    return total


def _entries() -> list[str]:
    return os.listdir("/proc") if os.path.isdir("/proc") else []


def machine_busy() -> float:
    """Seconds of work of all processes so far; 0 where that cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/stat", encoding="ascii") as stat:
            ticks = [int(each) for each in stat.readline().split()[1:9]]
        return (sum(ticks) - ticks[3] - ticks[4]) / HZ
    return 0.0


def peak_memory_mb(pid: int) -> float | None:
    """The most memory a process ever held."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Taken:
    """Seconds; `foreign` is the share of the machine that belonged to neither side."""

    wall: float = 0.0
    app: float = 0.0
    database: float = 0.0
    foreign: float = 0.0
    extra: dict[str, float] = field(default_factory=dict)


@contextmanager
def metered(apps: Iterable[int], database: int, others: Iterable[int] = ()) -> Iterator[Taken]:
    """Fill in what a block took. `others` are ours too (a broker), but no cost of the engine."""
    apps, others, taken = list(apps), list(others), Taken()
    before = cpu_of(apps), cpu_of([database]), cpu_of(others), machine_busy()
    started = time.perf_counter()
    yield taken
    taken.wall = time.perf_counter() - started
    after = cpu_of(apps), cpu_of([database]), cpu_of(others), machine_busy()
    app, base, rest, busy = (late - early for early, late in zip(before, after, strict=True))
    taken.app, taken.database = app, base
    away = busy - app - base - rest
    taken.foreign = max(0.0, away / taken.wall / (os.cpu_count() or 1))
