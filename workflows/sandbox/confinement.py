"""Taking a process's powers away: user, limits, files, network, system calls.

Standard library only: this runs inside the launcher, where neither Django nor this project's other
packages are loaded. Landlock by linux/landlock.h; its system calls are numbered alike everywhere.
"""

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Mapping
from enum import StrEnum

from workflows.sandbox import seccomp

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION, PATH_BENEATH = 1, 1
EXECUTE, READ_FILE, READ_DIR = 1, 4, 8
FILE_RIGHTS = EXECUTE | READ_FILE
ALL_NETWORK = ALL_SCOPES = 3  # bind and connect; abstract sockets and signals


class Level(StrEnum):
    """What this machine can hold code with, strongest first."""

    FULL = "full"  # Landlock and seccomp
    SECCOMP = "seccomp"  # no Landlock: no file can be opened at all
    LANDLOCK = "landlock"  # no seccomp table for this machine: files and TCP only
    LIMITS = "limits"  # resource limits and a clean environment
    NONE = "none"  # not Linux


def level() -> Level:
    if platform.system() != "Linux":
        return Level.NONE
    match landlock_version() > 0, seccomp.available():
        case True, True:
            return Level.FULL
        case True, False:
            return Level.LANDLOCK
        case False, True:
            return Level.SECCOMP
    return Level.LIMITS


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def landlock_version() -> int:
    """The kernel's Landlock ABI, 0 without."""
    asked = _libc().syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), LANDLOCK_VERSION)
    return max(0, asked)


def hide_from_debuggers() -> None:
    """No ptrace, no core, no /proc/PID/mem for others of the same user."""
    _libc().prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def die_with(parent: int) -> None:
    """Be killed when the parent ends. After a change of user, which clears it."""
    _libc().prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def become(uid: int) -> None:
    """Give up root for a user that owns nothing; an ordinary user stays who it is."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def limit(limits: Mapping[str, int]) -> None:
    """Set hard limits by their names in `resource`, such as `{"RLIMIT_CPU": 10}`."""
    for name, value in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        capped = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (capped, capped))


def landlock(readable: Mapping[int, int]) -> None:
    """Allow only what `readable` grants: rights by open descriptor of a file or directory.

    Everything else about files is refused, and so are TCP, abstract sockets and signals to
    others as far as the kernel knows how. Raises OSError.
    """
    libc, version = _libc(), landlock_version()
    every_right = (1 << (13, 14, 15, 15, 16)[min(version, 5) - 1]) - 1
    fields = [every_right]
    if version >= 4:
        fields.append(ALL_NETWORK)
    if version >= 6:
        fields.append(ALL_SCOPES)
    rules = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = libc.syscall(LANDLOCK_CREATE, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock ruleset refused")
    for descriptor, rights in readable.items():
        rule = struct.pack("=Qi", rights, descriptor)
        if libc.syscall(LANDLOCK_ADD, ruleset, PATH_BENEATH, rule, 0):
            raise OSError(ctypes.get_errno(), "landlock rule refused")
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.syscall(LANDLOCK_RESTRICT, ruleset, 0):
        raise OSError(ctypes.get_errno(), "landlock refused")
    os.close(ruleset)
