"""Comparisons of the if-else node, as Dify makes them: strict on types, lazy on truth.

Semantics: https://docs.dify.ai/en/guides/workflow/node/ifelse, probed on its engine: `is` wants
text, `=` casts the expected text to the number's own type, `empty` is falsiness, so 0 is empty.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflows.engine.pool import Pool
from workflows.engine.values import MISSING, is_file, member_of

FILE_LIST_OPERATORS = frozenset({"contains", "not contains", "all of"})


class ConditionFailed(ValueError):
    """A comparison that makes no sense: a missing variable, a wrong type, an unknown operator."""


def holds(pool: Pool, conditions: Sequence[Mapping[str, Any]], operator: str) -> bool:
    """Whether all (`and`) or any (`or`) hold; stops at the first that decides.

    Raises ConditionFailed.
    """
    for condition in conditions:
        result = _holds(pool, condition)
        if result != (operator == "and"):
            return result
    return operator == "and" or not conditions


def compare(value: Any, operator: str, expected: Any) -> bool:
    """Apply one of the 21 operators. Raises ConditionFailed."""
    test = OPERATORS.get(operator)
    if test is None:
        raise ConditionFailed(f"unknown operator {operator!r}")
    try:
        return test(value, expected)
    except ConditionFailed:
        raise
    except (TypeError, ValueError) as error:
        raise ConditionFailed(str(error)) from error


def _holds(pool: Pool, condition: Mapping[str, Any]) -> bool:
    selector = condition.get("variable_selector") or ()
    value = pool.get(selector)
    if value is MISSING:
        raise ConditionFailed(f"Variable {list(selector)} not found")
    operator = str(condition.get("comparison_operator"))
    if operator in FILE_LIST_OPERATORS and _is_file_list(value):
        return _files_hold(value, condition.get("sub_variable_condition"))
    return compare(value, operator, _expected(pool, value, operator, condition.get("value")))


def _expected(pool: Pool, value: Any, operator: str, expected: Any) -> Any:
    if operator in {"exists", "not exists"}:
        return None
    if isinstance(expected, str):
        expected = pool.text(expected)
    if isinstance(value, bool) and not isinstance(expected, bool) and expected is not None:
        return _as_bool(expected)
    return expected


def _as_bool(expected: Any) -> bool:
    if isinstance(expected, int):
        return bool(expected)
    try:
        loaded = json.loads(expected.lower())
    except (AttributeError, ValueError):
        loaded = None
    if not isinstance(loaded, int):
        raise ConditionFailed(f"{expected!r} is neither true nor false")
    return bool(loaded)


def _is_file_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(is_file(item) for item in value)


def _files_hold(files: list[Any], group: Any) -> bool:
    """A list of files is judged by its files' attributes, each sub-condition over all files."""
    if not isinstance(group, Mapping):
        raise ConditionFailed("a list of files needs a condition on its files")
    results = (_sub_holds(files, sub) for sub in group.get("conditions") or ())
    return all(results) if group.get("logical_operator") == "and" else any(results)


def _sub_holds(files: list[Any], sub: Mapping[str, Any]) -> bool:
    key, operator = str(sub.get("key")), str(sub.get("comparison_operator"))
    expected, values = sub.get("value"), [member_of(file, key) for file in files]
    if key == "extension":
        expected, values = _dotted(expected), [_dotted(value) for value in values]
    results = (compare(None if value is MISSING else value, operator, expected) for value in values)
    return all(results) if "not" in operator else any(results)


def _dotted(value: Any) -> Any:
    return f".{value}" if isinstance(value, str) and value and value[0] != "." else value


def _typed(value: Any, types: tuple[type, ...], wanted: str) -> None:
    if not isinstance(value, types):
        raise ConditionFailed(f"Invalid actual value type: {wanted}")


def _contains(value: Any, expected: Any) -> bool:
    if not value:
        return False
    _typed(value, (str, list), "string or array")
    return str(expected) in value if isinstance(value, str) else expected in value


def _lacks(value: Any, expected: Any) -> bool:
    return not _contains(value, expected)


def _starts(value: Any, expected: Any) -> bool:
    if not value:
        return False
    _typed(value, (str,), "string")
    return bool(value.startswith(expected))


def _ends(value: Any, expected: Any) -> bool:
    if not value:
        return False
    _typed(value, (str,), "string")
    return bool(value.endswith(expected))


def _is(value: Any, expected: Any) -> bool:
    if value is None:
        return False
    _typed(value, (str, bool), "string or boolean")
    return bool(value == expected)


def _is_not(value: Any, expected: Any) -> bool:
    return value is not None and not _is(value, expected)


def _equal(value: Any, expected: Any) -> bool:
    if value is None:
        return False
    _typed(value, (int, float), "number or boolean")
    return bool(value == type(value)(expected))


def _not_equal(value: Any, expected: Any) -> bool:
    return value is not None and not _equal(value, expected)


def _ordered(test: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    def compare_numbers(value: Any, expected: Any) -> bool:
        if value is None:
            return False
        _typed(value, (int, float), "number")
        return test(value, _number(expected))

    return compare_numbers


def _number(expected: Any) -> float:
    """Integers stay exact: large ones would lose their last digits as floats."""
    if isinstance(expected, str):
        try:
            return int(expected)
        except ValueError:
            return float(expected)
    _typed(expected, (int, float), "number")
    number: float = expected
    return number


def _in(value: Any, expected: Any) -> bool:
    if not value:
        return False
    if not isinstance(expected, list):
        raise ConditionFailed("Invalid expected value type: array")
    return value in expected


def _not_in(value: Any, expected: Any) -> bool:
    return not _in(value, expected)


def _all_of(value: Any, expected: Any) -> bool:
    return bool(value) and all(item in value for item in expected)


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "contains": _contains,
    "not contains": _lacks,
    "start with": _starts,
    "end with": _ends,
    "is": _is,
    "is not": _is_not,
    "empty": lambda value, _: not value,
    "not empty": lambda value, _: bool(value),
    "in": _in,
    "not in": _not_in,
    "all of": _all_of,
    "=": _equal,
    "≠": _not_equal,
    ">": _ordered(lambda value, expected: value > expected),
    "<": _ordered(lambda value, expected: value < expected),
    "≥": _ordered(lambda value, expected: value >= expected),
    "≤": _ordered(lambda value, expected: value <= expected),
    "null": lambda value, _: value is None,
    "not null": lambda value, _: value is not None,
    "exists": lambda value, _: value is not None,
    "not exists": lambda value, _: value is None,
}
