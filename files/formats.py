"""Rows as bytes: CSV for spreadsheets, JSON Lines for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from io import RawIOBase, StringIO
from typing import Any

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the start of a formula."""
Rows = Iterable[Sequence[Any]]


def lines_of(fmt: str, columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    return _csv(columns, rows) if fmt == "csv" else _json_lines(columns, rows)


def _csv(columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    """RFC 4180 in UTF-8 with a byte-order mark, by which spreadsheets know it."""
    yield b"\xef\xbb\xbf" + _csv_line(columns)
    for row in rows:
        yield _csv_line([cell(value) for value in row])


def _csv_line(values: Sequence[Any]) -> bytes:
    text = StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue().encode()


def cell(value: Any) -> str:
    """A value as a spreadsheet may see it: what would be a formula becomes a text by `'`."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return _json(value)
    if isinstance(value, bool | int | float):
        return _json(value)
    text = str(value)
    return f"'{text}" if text.lstrip(" ").startswith(RISKY) or text.startswith(RISKY) else text


def _json_lines(columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    for row in rows:
        yield (_json(dict(zip(columns, row, strict=True))) + "\n").encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


class LineStream(RawIOBase):
    """Lines as a file that is read once from the start; nothing is made before it is asked for."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        parts, size = [self._rest], len(self._rest)
        while size < len(buffer) and (line := next(self._lines, None)) is not None:
            parts.append(line)
            size += len(line)
        whole = b"".join(parts)
        given, self._rest = whole[: len(buffer)], whole[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)
