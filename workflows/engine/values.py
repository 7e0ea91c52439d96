"""Values of variables and the forms in which they become text.

Variables hold JSON values. A file is a mapping with the key `__file__` (its name) and attributes.
Flows imported from Dify keep Dify's text forms (`compat`), with their oddities: lists of numbers
or objects print as Python, an empty list as nothing. Other flows print JSON everywhere.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

FILE = "__file__"
FILE_ATTRIBUTES = frozenset(
    {"type", "size", "name", "mime_type", "transfer_method", "url", "extension", "related_id"}
)


class Missing(Enum):
    """The type of MISSING: a reference that leads nowhere (None is a value like any other)."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


def is_file(value: object) -> bool:
    return isinstance(value, Mapping) and FILE in value


def json_text(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def text_of(value: Any, *, compat: bool = True) -> str:
    """The form used in prompts, requests and comparisons."""
    if isinstance(value, str):
        return value
    if value is None or is_file(value):
        return ""
    if not compat:
        return json_text(value)
    if isinstance(value, Mapping):
        return json_text(value)
    if isinstance(value, list):
        return _list_text(value)
    return str(value)


def markdown_of(value: Any, *, compat: bool = True) -> str:
    """The form used in answers and streamed text."""
    if is_file(value):
        return _file_link(value)
    if isinstance(value, list) and value and all(is_file(item) for item in value):
        return "\n".join(_file_link(item) for item in value)
    if compat and isinstance(value, Mapping):
        return json_text(value, indent=2)
    if compat and isinstance(value, list):
        return "\n".join(f"- {item}" for item in value)
    return text_of(value, compat=compat)


def _list_text(value: list[Any]) -> str:
    if not value or all(is_file(item) for item in value):
        return ""
    if all(isinstance(item, str) for item in value):
        return json_text(value)
    return str(value)


def _file_link(value: Mapping[str, Any]) -> str:
    name = value.get("name") or value[FILE]
    mark = "!" if value.get("type") == "image" else ""
    return f"{mark}[{name}]({value.get('url') or ''})"


def member_of(value: Any, name: str) -> Any:
    """One step down a path: a key of an object or an attribute of a file; else MISSING."""
    if not isinstance(value, Mapping):
        return MISSING
    if FILE in value:
        if name not in FILE_ATTRIBUTES:
            return MISSING
        return value.get(name, value[FILE] if name == "name" else None)
    return value.get(name, MISSING)


def type_of(value: object) -> str:
    """Dify's name for the type of a value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, list):
        kinds = {type_of(item) for item in value}
        return f"array[{kinds.pop()}]" if len(kinds) == 1 else "array[any]"
    if is_file(value):
        return "file"
    names = {str: "string", int: "number", float: "number", dict: "object", type(None): "none"}
    return names.get(type(value), "any")


def convert(value: Any, wanted: str) -> Any:
    """A configured constant as the type it declares; raises ValueError where it cannot be one.

    The types are those of Dify's default values: string, number, object, array[...].
    """
    if wanted == "string":
        return text_of(value)
    if wanted == "number":
        return float(value)
    return json.loads(value) if isinstance(value, str) else value
