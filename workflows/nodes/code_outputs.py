"""What a code node hands back must be what it declares. Limits and strictness are Dify's."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from workflows.nodes.base import NodeFailed

LONGEST_TEXT = 400_000
LARGEST = 2**63 - 1
PRECISION = 20
DEEPEST = 5
MOST_ITEMS = {"string": 30, "object": 30, "number": 1000, "boolean": 1000}

Declared = Mapping[str, Any]


def refused(message: str) -> NodeFailed:
    return NodeFailed(message, code="invalid_output", kind="OutputValidationError")


def checked_outputs(result: Any, declared: Declared, path: str = "", depth: int = 1) -> Any:
    """The result with numbers and texts normalised; raises NodeFailed (invalid_output)."""
    if depth > DEEPEST:
        raise refused(f"Depth limit {DEEPEST} reached, object too deep.")
    if not isinstance(result, dict):
        raise refused("The code must return an object.")
    if not declared:
        return _undeclared(result, path, depth)
    outputs = {}
    for name, entry in declared.items():
        if name not in result:
            raise refused(f"Output {path}{name} is missing.")
        outputs[name] = _checked(result[name], entry or {}, f"{path}{name}", depth)
    if len(result) > len(outputs):
        raise refused("Not all output parameters are validated.")
    return outputs


def _checked(value: Any, entry: Declared, path: str, depth: int) -> Any:
    wanted = str(entry.get("type"))
    if value is None:
        return None
    if wanted.startswith("array["):
        return _list(value, entry, wanted[6:-1], path, depth)
    return _single(value, wanted, entry.get("children"), path, depth)


def _single(value: Any, wanted: str, children: Any, path: str, depth: int) -> Any:
    match wanted:
        case "string":
            return _text(value, path)
        case "number":
            return _number(value, path)
        case "boolean":
            if not isinstance(value, bool):
                raise refused(f"Output {path} must be a boolean, got {_name(value)} instead.")
            return value
        case "object":
            if not isinstance(value, dict):
                raise refused(f"Output {path} is not an object, got {_name(value)} instead.")
            return checked_outputs(value, children or {}, f"{path}.", depth + 1)
    raise refused(f"Output type {wanted} is not supported.")


def _list(value: Any, entry: Declared, item_type: str, path: str, depth: int) -> list[Any]:
    if not isinstance(value, list):
        raise refused(f"Output {path} is not an array, got {_name(value)} instead.")
    if item_type not in MOST_ITEMS:
        raise refused(f"Output type array[{item_type}] is not supported.")
    limit = MOST_ITEMS[item_type]
    if len(value) > limit:
        raise refused(f"The length of output variable `{path}` must be less than {limit} elements.")
    return [
        None
        if item is None
        else _single(item, item_type, entry.get("children"), f"{path}[{index}]", depth)
        for index, item in enumerate(value)
    ]


def _name(value: object) -> str:
    return type(value).__name__


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise refused(f"Output {path} must be a string, got {_name(value)} instead.")
    if len(value) > LONGEST_TEXT:
        raise refused(
            f"The length of output variable `{path}` must be less than {LONGEST_TEXT} characters"
        )
    return value.replace("\x00", "")


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, (int, float)):
        raise refused(f"Output {path} must be a number, got {_name(value)} instead.")
    if not -LARGEST - 1 <= value <= LARGEST:
        raise refused(f"Output variable `{path}` is out of range.")
    if isinstance(value, float):
        exponent = Decimal(str(value)).normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > PRECISION:
            raise refused(f"Output variable `{path}` has too high precision.")
    return value


def _undeclared(result: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
    """An object whose members nobody declared: any JSON, within the same limits."""
    for name, value in result.items():
        _any(value, f"{path}{name}", depth)
    return result


def _any(value: Any, path: str, depth: int) -> None:
    if isinstance(value, dict):
        checked_outputs(value, {}, f"{path}.", depth + 1)
    elif isinstance(value, list):
        if depth >= DEEPEST:
            raise refused(f"Depth limit {DEEPEST} reached, object too deep.")
        for index, item in enumerate(value):
            _any(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, str):
        _text(value, path)
    elif isinstance(value, (int, float)):
        _number(value, path)
    elif value is not None:
        raise refused(f"Output {path} is not a valid type.")
