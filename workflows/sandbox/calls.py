"""The worker's side of one call: hand it over, wait, read the answer with suspicion."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from core.jsonsafe import clean, dump_json
from workflows.sandbox import frames
from workflows.sandbox.confinement import Level
from workflows.sandbox.confinement import level as level_of_machine
from workflows.sandbox.errors import (
    CodeFailed,
    CodeTimeout,
    LanguageUnavailable,
    SandboxUnavailable,
)
from workflows.sandbox.launcher import launcher, node_path, option

LANGUAGES = {"python": b"p", "python3": b"p", "javascript": b"n", "nodejs": b"n"}
RESULT_LIMIT = 1_000_000  # characters of JSON
PRINTED_LIMIT = 64_000  # characters
ANSWER_LIMIT = 8 * (RESULT_LIMIT + PRINTED_LIMIT)  # bytes, of anything the child may send
LARGE = 100_000  # bytes of JSON that are not parsed on the event loop
DEEPEST = 100
QUEUE_PAUSE = 0.01  # seconds
SETTLE = 0.03  # seconds a killed launcher may take to be seen dead
ATTEMPTS = 3
STRENGTH = [Level.NONE, Level.LIMITS, Level.LANDLOCK, Level.SECCOMP, Level.FULL]


@dataclass(frozen=True, slots=True)
class CodeResult:
    """What `main` returned, and the head of what it printed."""

    outputs: dict[str, Any]
    printed: str


class _Gone(Exception):
    """The child ended without an answer."""


def level() -> Level:
    """How strongly code is confined on this machine."""
    return level_of_machine()


async def run_code(
    language: str,
    code: str,
    variables: Mapping[str, Any],
    *,
    timeout: float = 10.0,
    heard: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """What the code's `main` returns for the variables. `heard` takes what it printed, if anything.

    Raises what `execute` raises.
    """
    try:
        result = await execute(language, code, variables, timeout=timeout)
    except CodeFailed as error:
        if heard and (printed := error.detail.get("printed")):
            heard(str(printed))
        raise
    if heard and result.printed:
        heard(result.printed)
    return result.outputs


async def execute(
    language: str, code: str, variables: Mapping[str, Any], *, timeout: float = 10.0
) -> CodeResult:
    """Run `main` of the code in a confined process of its own; `timeout` is in seconds.

    Python is called `main(**variables)`, JavaScript `main(variables)`; both must return an
    object that is JSON. The code may not touch files, network or processes, so a call whose
    launcher died is simply made again. Raises CodeFailed and its kinds.
    """
    kind = _kind(language)
    nonce = secrets.token_hex(16)
    job = {"nonce": nonce, "code": code, "variables": variables, "result_limit": RESULT_LIMIT}
    body = dump_json(job | {"printed_limit": PRINTED_LIMIT}).encode()
    for _attempt in range(ATTEMPTS):
        with contextlib.suppress(_Gone):
            answer = await _call(kind, frames.LENGTH.pack(len(body)) + body, timeout)
            if len(answer) > LARGE:
                return await asyncio.to_thread(_read, answer, nonce)
            return _read(answer, nonce)
    raise SandboxUnavailable(_("The code could not be confined."), "SandboxUnavailable")


def _kind(language: str) -> bytes:
    kind = LANGUAGES.get(language, b"")
    strength = STRENGTH.index(level())
    if not strength or strength < STRENGTH.index(Level(option("minimum"))):
        raise SandboxUnavailable(
            _("This machine cannot confine code."), "SandboxUnavailable", sandbox=level().value
        )
    # JavaScript's runtime needs threads and files, which only both walls together can let through.
    has_node = node_path() and level() == Level.FULL
    if not kind or (kind == LANGUAGES["nodejs"] and not has_node):
        raise LanguageUnavailable(
            _("This installation cannot run code in this language."),
            "LanguageUnavailable",
            language=language[:40],
        )
    return kind


async def _call(kind: bytes, job: bytes, seconds: float) -> bytes:
    """One child from its birth to its death. Raises _Gone when that was not the code's doing."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    child = -1
    try:
        with theirs:
            born_of = await _hand_over(kind, theirs)
        child = await _introduced(ours)
        async with asyncio.timeout(seconds):
            return await _exchange(ours, job)
    except TimeoutError as error:
        message = _("The code ran longer than %(seconds)s seconds.") % {"seconds": f"{seconds:g}"}
        raise CodeTimeout(message, "Timeout", seconds=seconds) from error
    except (EOFError, ConnectionError) as error:
        await asyncio.sleep(SETTLE)
        if child < 0 or launcher.pid != born_of or not launcher.is_running:
            raise _Gone from error
        raise CodeFailed(_("The code was stopped: too much memory or time."), "Crashed") from error
    finally:
        ours.close()
        _kill(child)


async def _hand_over(kind: bytes, connection: socket.socket) -> int:
    """Give the child's end to a running launcher; returns the launcher's pid."""
    while True:
        if not launcher.is_running:
            await asyncio.to_thread(launcher.start)
        with contextlib.suppress(OSError):  # its queue is full, or it is just dying
            launcher.send(kind, connection)
            return launcher.pid
        await asyncio.sleep(QUEUE_PAUSE)


async def _introduced(ours: socket.socket) -> int:
    """The child's descriptor of itself, which it sends once it is confined."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(ours, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(ours)
    message, descriptors, _flags, _address = socket.recv_fds(ours, 1, 1)
    if not message or len(descriptors) != 1:
        raise EOFError
    return descriptors[0]


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _exchange(ours: socket.socket, job: bytes) -> bytes:
    await asyncio.get_running_loop().sock_sendall(ours, job)
    (length,) = frames.LENGTH.unpack(await _exactly(ours, frames.LENGTH.size))
    if length > ANSWER_LIMIT:
        raise _broken("too long")
    return await _exactly(ours, length)


async def _exactly(ours: socket.socket, length: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = bytearray()
    while len(data) < length:
        part = await loop.sock_recv(ours, min(length - len(data), 1 << 18))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _kill(child: int) -> None:
    if child < 0:
        return
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(child, signal.SIGKILL)
    os.close(child)


def _broken(reason: str) -> CodeFailed:
    return CodeFailed(_("The code answered in an unexpected form."), "BrokenAnswer", reason=reason)


def _read(answer: bytes, nonce: str) -> CodeResult:
    """The outputs, or the code's own failure. Believes nothing: strangers wrote the bytes."""
    try:
        message = json.loads(answer, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _broken("not JSON") from error
    if not isinstance(message, dict) or message.get("nonce") != nonce:
        raise _broken("not an answer")
    printed = str(message.get("printed", ""))[:PRINTED_LIMIT]
    if isinstance(message.get("error"), dict):
        raise _failure(message["error"], printed)
    outputs = message.get("result")
    if not isinstance(outputs, dict) or not _is_shallow(outputs):
        raise CodeFailed(_("The result is nested too deeply."), "ResultNotJSON", printed=printed)
    return CodeResult(clean(outputs), clean(printed))


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _failure(error: dict[str, Any], printed: str) -> CodeFailed:
    name = clean(str(error.get("type", "Error")))[:100]
    message = clean(str(error.get("message", "")))[:4000]
    line = error.get("line")
    known = {
        "MainMissing": _("The code must define a function named main."),
        "ResultNotObject": _("main must return an object, not %(type)s.") % {"type": message},
        "ResultNotJSON": _("The result is not JSON: %(reason)s") % {"reason": message},
        "ResultTooLarge": _("The result is larger than %(limit)s characters of JSON.")
        % {"limit": RESULT_LIMIT},
        "MemoryError": _("The code needs more memory than it may have."),
    }
    text = known.get(name) or f"{name}: {message}".removesuffix(": ")
    place = line if isinstance(line, int) else None
    return CodeFailed(text, name, place, printed=clean(printed)[-2000:])


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _depth in range(DEEPEST):
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return True
    return False


def _inside(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict | list)]
