"""Checking what a run is started with against the start node's variables."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from workflows.errors import InvalidRunInput

MAX_TEXT = 400_000
WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_TEXT = frozenset({"text-input", "paragraph", "select", "external_data_tool"})


def start_variables(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The variables of the start node, in order; [] when there is none."""
    for node in definition.get("nodes", []):
        if node["type"] == "start":
            return list(node["data"].get("variables") or [])
    return []


def check_inputs(definition: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, defaults filled in and numbers as numbers. Unknown names are refused.

    Raises InvalidRunInput with `fields: {name: reason}` for everything that is wrong at once.
    """
    variables = {str(item.get("variable")): item for item in start_variables(definition)}
    wrong = {name: "unknown" for name in given if name not in variables}
    values: dict[str, Any] = {}
    for name, variable in variables.items():
        value = given.get(name, variable.get("default"))
        if value in (None, ""):
            if variable.get("required") and variable.get("type") != "checkbox":
                wrong[name] = "required"
            elif name in given or value is not None:
                values[name] = value
            continue
        values[name], reason = _convert(variable, value)
        if reason:
            wrong[name] = reason
    if wrong:
        raise InvalidRunInput("Some inputs are missing or not valid.", fields=wrong)
    return values


def _convert(variable: Mapping[str, Any], value: Any) -> tuple[Any, str]:
    kind = variable.get("type")
    if kind in _TEXT:
        return _text(variable, value)
    if kind == "number":
        return _number(value)
    if kind == "checkbox":
        return (value, "") if isinstance(value, bool) else (value, "not_a_boolean")
    if kind == "json_object":
        return (value, "") if isinstance(value, dict) else (value, "not_an_object")
    if kind == "file-list":
        return (value, "") if isinstance(value, list) else (value, "not_a_list")
    return value, ""


def _text(variable: Mapping[str, Any], value: Any) -> tuple[Any, str]:
    if not isinstance(value, str):
        return value, "not_a_text"
    if len(value) > _limit(variable):
        return value, "too_long"
    options = variable.get("options")
    listed = isinstance(options, list) and variable.get("type") == "select"
    if listed and options and value not in options:
        return value, "not_an_option"
    return value, ""


def _limit(variable: Mapping[str, Any]) -> int:
    """The variable's own limit where the file says a sensible one."""
    limit = variable.get("max_length")
    return min(limit, MAX_TEXT) if isinstance(limit, int) and limit > 0 else MAX_TEXT


def _number(value: Any) -> tuple[Any, str]:
    if isinstance(value, bool):
        return value, "not_a_number"
    if isinstance(value, int | float):
        return value, ""
    text = str(value).strip()
    if WHOLE.fullmatch(text):
        return int(text), ""  # as a float it would lose its last digits
    try:
        number = float(text)
    except ValueError:
        return value, "not_a_number"
    if not math.isfinite(number):
        return value, "not_a_number"
    return (int(number), "") if number.is_integer() and "." not in text else (number, "")
