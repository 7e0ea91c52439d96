"""The system calls confined code may make: an allow-list, compiled to classic BPF.

Standard library only: this runs inside the launcher. What is not listed answers EPERM, what is
newer than the list ENOSYS (so that C libraries fall back); nothing is killed for asking. Numbers
are x86-64's; other machines do without (see `confinement.level`).
"""

import ctypes
import errno
import platform
import struct

AUDIT_ARCH_X86_64 = 0xC000003E
X32_CALLS = 0x40000000
NEWER = 424  # pidfd_send_signal, the first call numbered alike on every machine
PR_SET_SECCOMP, PR_GET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 21, 38
FILTER_MODE = 2

# Opcodes and answers of BPF, linux/filter.h and linux/seccomp.h.
LOAD, EQUAL, ANY_BIT, AT_LEAST, ANSWER = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

MEMORY_AND_TIME = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "mmap": 9, "mprotect": 10,
    "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
    "pread64": 17, "readv": 19, "writev": 20, "sched_yield": 24, "mremap": 25, "madvise": 28,
    "nanosleep": 35, "getpid": 39, "exit": 60, "uname": 63, "gettimeofday": 96, "getrusage": 98,
    "sysinfo": 99, "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108,
    "getppid": 110, "sigaltstack": 131, "gettid": 186, "time": 201, "futex": 202,
    "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "set_robust_list": 273, "getrandom": 318,
    "rseq": 334, "dup": 32, "dup2": 33, "dup3": 292, "pipe2": 293, "poll": 7, "select": 23,
    "pselect6": 270, "ppoll": 271,
}  # fmt: skip
LOOKING = {
    "stat": 4, "lstat": 6, "access": 21, "getcwd": 79, "readlink": 89, "getdents64": 217,
    "newfstatat": 262, "readlinkat": 267, "faccessat": 269, "statx": 332,
}  # fmt: skip
NODE_ALSO = {
    "execve": 59, "arch_prctl": 158, "set_tid_address": 218, "epoll_wait": 232, "epoll_ctl": 233,
    "epoll_pwait": 281, "eventfd2": 290, "epoll_create1": 291, "getpriority": 140,
    "sched_getscheduler": 145, "sched_getparam": 143, "rt_sigpending": 127, "capget": 125,
    "pkey_alloc": 330, "pkey_free": 331, "pkey_mprotect": 329, "membarrier": 324,
}  # fmt: skip
OPEN, OPENAT, CLONE, FCNTL, IOCTL, PRLIMIT = 2, 257, 56, 72, 16, 302
OPEN_TO_WRITE = 0x3 | 0x40 | 0x200 | 0x400000  # O_ACCMODE, O_CREAT, O_TRUNC, O_TMPFILE
CLONE_THREAD, CLONE_NEW_SPACES = 0x00010000, 0x7E020000
FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030)  # duplicate, descriptor flags, status flags; no owners


class _Program:
    """A list of BPF instructions that ends each thought with an answer."""

    def __init__(self) -> None:
        self.code: list[tuple[int, int, int, int]] = []

    def add(self, opcode: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        self.code.append((opcode, if_true, if_false, value))

    def answer(self, value: int) -> None:
        self.add(ANSWER, value)

    def refuse(self, error: int = errno.EPERM) -> None:
        self.answer(0x00050000 | error)

    def allow(self, number: int) -> None:
        self.add(EQUAL, number, 0, 1)
        self.answer(ALLOW)

    def argument(self, index: int) -> None:
        """Load the low half of an argument; every flag judged here lies in it."""
        self.add(LOAD, ARGUMENTS + 8 * index)

    def when(self, number: int, body: "_Program") -> None:
        """Run `body`, which must answer in every case, for one system call."""
        self.add(EQUAL, number, 0, len(body.code))
        self.code += body.code

    def bytes(self) -> bytes:
        return b"".join(struct.pack("HBBI", op, yes, no, k) for op, yes, no, k in self.code)


def build(*, files: bool = True, node: bool = False) -> bytes:
    """The filter; `files` lets files be opened for reading, `node` adds what its runtime needs."""
    program = _Program()
    program.add(LOAD, ARCHITECTURE)
    program.add(EQUAL, AUDIT_ARCH_X86_64, 1, 0)
    program.answer(KILL)
    program.add(LOAD, NUMBER)
    program.add(AT_LEAST, X32_CALLS, 0, 1)
    program.refuse(errno.ENOSYS)
    for number in (MEMORY_AND_TIME | LOOKING | (NODE_ALSO if node else {})).values():
        program.allow(number)
    if files:
        program.when(OPENAT, _open_to_read(2))
        program.when(OPEN, _open_to_read(1))
    program.when(CLONE, _threads_only())
    program.when(FCNTL, _one_of(1, FCNTL_COMMANDS))
    if node:
        program.when(PRLIMIT, _read_limits())
    program.when(IOCTL, _refused(errno.ENOTTY))
    program.add(AT_LEAST, NEWER, 0, 1)
    program.refuse(errno.ENOSYS)
    program.refuse()
    return program.bytes()


def _open_to_read(flags: int) -> _Program:
    body = _Program()
    body.argument(flags)
    body.add(ANY_BIT, OPEN_TO_WRITE, 1, 0)
    body.answer(ALLOW)
    body.refuse()
    return body


def _threads_only() -> _Program:
    body = _Program()
    body.argument(0)
    body.add(ANY_BIT, CLONE_NEW_SPACES, 2, 0)
    body.add(ANY_BIT, CLONE_THREAD, 0, 1)
    body.answer(ALLOW)
    body.refuse()
    return body


def _one_of(index: int, values: tuple[int, ...]) -> _Program:
    body = _Program()
    body.argument(index)
    for value in values:
        body.allow(value)
    body.refuse()
    return body


def _read_limits() -> _Program:
    """prlimit64 without a new limit: both halves of its pointer are zero."""
    body = _Program()
    body.argument(2)
    body.add(EQUAL, 0, 0, 3)
    body.add(LOAD, ARGUMENTS + 8 * 2 + 4)
    body.add(EQUAL, 0, 0, 1)
    body.answer(ALLOW)
    body.refuse()
    return body


def _refused(error: int) -> _Program:
    body = _Program()
    body.refuse(error)
    return body


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def available() -> bool:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    return ctypes.CDLL(None).prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


def install(program: bytes) -> None:
    """Put the filter over this process for good. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program, len(program))
    header = _Filter(len(program) // 8, ctypes.addressof(code))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, FILTER_MODE, ctypes.byref(header), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp filter refused")
