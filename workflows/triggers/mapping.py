"""From what came in to the inputs of a run: paths like `body.items[0].name`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from workflows.errors import InvalidTrigger

DEEPEST = 30
"""Parts of a path, and levels of a body."""
_TEXTS = frozenset({"text-input", "paragraph", "select"})
_PATH = re.compile(r'([a-z]+)((?:\.[^.\[\]"]+|\[[0-9]{1,6}\]|\["[^"]+"\])*)')
_PART = re.compile(r'\.([^.\[\]"]+)|\[([0-9]{1,6})\]|\["([^"]+)"\]')
_MISSING = object()


def check_path(path: str, roots: Iterable[str], field: str) -> None:
    """Raises InvalidTrigger."""
    match = _PATH.fullmatch(path)
    if match is None or match[1] not in roots or len(_parts(match[2])) > DEEPEST:
        raise InvalidTrigger(
            "A path begins with one of these and goes on with .name or [0].",
            field=f"mapping.{field}"[:80],
            path=path[:80],
            roots=list(roots),
        )


def _parts(text: str) -> list[str | int]:
    return [
        int(number) if number else (name or quoted) for name, number, quoted in _PART.findall(text)
    ]


def look_up(path: str, sources: Mapping[str, Any], default: Any = None) -> Any:
    """What stands at `path`; `default` where nothing does. A JSON text on the way is read."""
    match = _PATH.fullmatch(path)
    if match is None:
        return default
    value = sources.get(match[1], _MISSING)
    for part in _parts(match[2]):
        value = _step(
            value, part.lower() if match[1] == "headers" and isinstance(part, str) else part
        )
        if value is _MISSING:
            return default
    return default if value is _MISSING else value


def _step(value: Any, part: str | int) -> Any:
    if isinstance(value, str):
        value = _read(value)
    if isinstance(value, Mapping):
        return value.get(str(part), _MISSING)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _MISSING


def _read(text: str) -> Any:
    """Slack and GitHub can send JSON in a field of a form."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _MISSING


def fill(
    mapping: Mapping[str, str], sources: Mapping[str, Any], variables: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The mapped inputs; what is not there is left out. A text takes anything else as JSON."""
    texts = {str(row.get("variable")) for row in variables if row.get("type") in _TEXTS}
    found = {}
    for name, path in mapping.items():
        value = look_up(path, sources, _MISSING)
        if value is not _MISSING:
            found[name] = as_text(value) if name in texts else value
    return found


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
