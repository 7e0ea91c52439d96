"""Made-up values of a declared type, for runs under mocks."""

from collections.abc import Mapping
from typing import Any


def sample(wanted: str, label: str) -> Any:
    """The value of a type that stands for `label`."""
    made: dict[str, Any] = {
        "number": 1,
        "boolean": True,
        "object": {"k": label},
        "array[string]": [f"{label}.0", f"{label}.1"],
        "array[number]": [1, 2],
        "array[boolean]": [True],
        "array[object]": [{"k": label}],
    }
    return made.get(wanted, label)


def smallest(schema: Mapping[str, Any]) -> Any:
    """The smallest value that a JSON schema allows."""
    if schema.get("enum"):
        return schema["enum"][0]
    wanted = schema.get("type")
    if isinstance(wanted, list):
        wanted = wanted[0]
    if wanted == "object" or "properties" in schema:
        return _smallest_object(schema)
    if wanted == "array":
        few = int(schema.get("minItems") or 0)
        return [smallest(schema.get("items") or {}) for _ in range(few)]
    simple = {"number": 1, "integer": 1, "boolean": True, "null": None}
    return simple.get(str(wanted), "x")


def _smallest_object(schema: Mapping[str, Any]) -> dict[str, Any]:
    known = schema.get("properties") or {}
    return {name: smallest(known.get(name) or {}) for name in schema.get("required") or known}
