"""Inside the wall: run one Python function and answer with what it returned.

Standard library only. Nothing here is trusted by the other side: the author's code shares this
process and may do with it what it likes.
"""

import io
import json
import sys
import traceback
import types
from typing import Any

from workflows.sandbox import frames

FILENAME = "<code>"
LONGEST_MESSAGE = 4000


class Printed(io.TextIOBase):
    """What the code prints, up to a limit; the rest is counted as written and dropped."""

    def __init__(self, room: int) -> None:
        self.parts: list[str] = []
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        kept = text[: self.room]
        self.room -= len(kept)
        if kept:
            self.parts.append(kept)
        return len(text)


class Unusable(Exception):
    """The result is nothing the other side can take; `name` is what it is told."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def serve(connection: int) -> None:
    """Read one job from the connection, run it, answer."""
    job = frames.read(connection)
    printed = Printed(job["printed_limit"])
    sys.stdout = sys.stderr = printed
    answer: dict[str, Any] = {"nonce": job["nonce"]}
    try:
        answer["result"] = _usable(_run(job), job["result_limit"])
    except BaseException as error:  # noqa: BLE001 - whatever strangers raise is their answer
        answer["error"] = _described(error)
    answer["printed"] = "".join(printed.parts)
    frames.write(connection, frames.encode(answer))


def _run(job: dict[str, Any]) -> object:
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    program = compile(job["code"], FILENAME, "exec", dont_inherit=True)
    exec(program, module.__dict__)  # nosec B102 # noqa: S102 - what this wall is for
    main = getattr(module, "main", None)
    if not callable(main):
        raise Unusable("MainMissing", "main")
    return main(**job["variables"])


def _usable(result: object, limit: int) -> object:
    if not isinstance(result, dict):
        raise Unusable("ResultNotObject", type(result).__name__)
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unusable("ResultNotJSON", str(error)) from None
    if len(text) > limit:
        raise Unusable("ResultTooLarge", str(len(text)))
    return result


def _described(error: BaseException) -> dict[str, Any]:
    name = error.name if isinstance(error, Unusable) else type(error).__name__
    try:
        message = str(error)[:LONGEST_MESSAGE]
    except BaseException:  # noqa: BLE001 - an exception class of strangers
        message = ""
    return {"type": name, "message": message, "line": _line(error)}


def _line(error: BaseException) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == FILENAME:
        return error.lineno
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == FILENAME
    ]
    return lines[-1] if lines else None
