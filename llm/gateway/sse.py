"""Cutting a byte stream into server-sent events (WHATWG HTML, 9.2) without changing a byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DONE = b"data: [DONE]\n\n"
MAX_EVENT = 8 * 1024 * 1024
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")


class EventTooLarge(ValueError):
    """The provider sends something that is no stream of events."""


@dataclass(frozen=True, slots=True)
class Event:
    """`raw` with its blank line; `data` where it is a JSON object."""

    raw: bytes
    data: dict[str, Any] | None = None
    done: bool = False


class Splitter:
    """Feed it chunks as they come; it gives the events that are complete."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        buffer = self._rest + chunk
        start = 0
        while match := _END.search(buffer, start):
            yield read_event(buffer[start : match.end()])
            start = match.end()
        self._rest = buffer[start:]
        if len(self._rest) > MAX_EVENT:
            raise EventTooLarge("An event of the stream is too large.")


def read_event(raw: bytes) -> Event:
    data = _data(raw)
    if data.startswith(b"[DONE]"):
        return Event(raw, done=True)
    if not data.startswith(b"{"):
        return Event(raw)
    try:
        return Event(raw, json.loads(data))
    except ValueError:
        return Event(raw)


def _data(raw: bytes) -> bytes:
    if raw.startswith(b"data: {") and raw.find(b"\n") == len(raw) - 2:  # the usual one line
        return raw[6:-2]
    lines = [line[5:].lstrip(b" ") for line in _LINE.split(raw) if line.startswith(b"data:")]
    return b"\n".join(lines).strip()


def event_of(data: dict[str, Any]) -> bytes:
    return (
        b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    )
