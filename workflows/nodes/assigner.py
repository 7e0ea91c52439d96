"""Assigner: changes variables of the conversation or of a loop.

Dify has two forms: one assignment (version 1) and a list of them with operations (version 2).
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from workflows.engine.pool import Pool
from workflows.engine.values import MISSING
from workflows.nodes.base import Config, NodeContext, NodeFailed, NodeKind, Outcome
from workflows.nodes.fields import Selector, Text

OLD_MODES = {"over-write": "over-write", "append": "append", "clear": "clear"}


class Item(Config):
    variable_selector: Selector = ()
    input_type: Text = "variable"
    operation: Text = "over-write"
    value: Any = None


class AssignerConfig(Config):
    items: Annotated[list[Item], BeforeValidator(lambda value: value or [])] = Field(
        default_factory=list
    )

    @model_validator(mode="before")
    @classmethod
    def _read_old_form(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("assigned_variable_selector"):
            item = {
                "variable_selector": data["assigned_variable_selector"],
                "input_type": "variable",
                "operation": OLD_MODES.get(str(data.get("write_mode")), "over-write"),
                "value": data.get("input_variable_selector"),
            }
            return {"items": [item]}
        return data


class AssignerKind(NodeKind[AssignerConfig]):
    name = "assigner"
    config = AssignerConfig

    async def run(self, context: NodeContext, config: AssignerConfig) -> Outcome:
        """All or nothing; a later item sees what an earlier one made of a variable."""
        view = Pool(compat=context.pool.compat, parent=context.pool)
        assigned: dict[tuple[str, str], Any] = {}
        for item in config.items:
            at = _target(item)
            before = view.get(at)
            if before is MISSING:
                raise _refused(item, "there is no such variable")
            value = _changed(item, before, _given(item, view))
            assigned[at] = value
            seen = dict(view.scopes.get(at[0]) or _scope_of(context.pool, at[0]))
            view.put(at[0], {**seen, at[1]: value})
        shown = {".".join(at): value for at, value in assigned.items()}
        return Outcome(outputs={}, inputs={"assigned": shown}, assigned=tuple(assigned.items()))

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return frozenset()


def _scope_of(pool: Pool | None, name: str) -> Mapping[str, Any]:
    while pool is not None:
        if name in pool.scopes:
            return pool.scopes[name]
        pool = pool.parent
    return {}


def _target(item: Item) -> tuple[str, str]:
    if len(item.variable_selector) != 2:
        raise _refused(item, "only whole variables can be assigned")
    if item.variable_selector[0] in {"sys", "env"}:
        raise _refused(item, "it cannot be changed")
    return item.variable_selector[0], item.variable_selector[1]


def _given(item: Item, pool: Pool) -> Any:
    if item.operation in {"clear", "remove-first", "remove-last"}:
        return None
    if item.input_type != "variable":
        return item.value
    value = pool.get(tuple(map(str, item.value or ()))) if isinstance(item.value, list) else MISSING
    if value is MISSING:
        raise _refused(item, "the value to take is not there")
    return value


def _changed(item: Item, before: Any, value: Any) -> Any:
    operation = OPERATIONS.get(item.operation)
    if operation is None:
        raise _refused(item, f"there is no operation {item.operation!r}")
    try:
        return operation(before, value)
    except ZeroDivisionError:
        raise _refused(item, "division by zero") from None
    except (TypeError, ValueError, IndexError) as error:
        raise _refused(item, str(error)) from error


def _refused(item: Item, why: str) -> NodeFailed:
    name = ".".join(item.variable_selector)
    return NodeFailed(f"{name} cannot be assigned: {why}", code="assign_failed", retryable=False)


def _replace(before: Any, value: Any) -> Any:
    if before is not None and value is not None and _family(before) != _family(value):
        raise TypeError(f"it is {_family(before)}, the value is {_family(value)}")
    return value


def _family(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = ((str, "a text"), (int | float, "a number"), (list, "a list"), (dict, "an object"))
    return next((name for kind, name in names if isinstance(value, kind)), "nothing")


def _clear(before: Any, _: Any) -> Any:
    if isinstance(before, bool):
        return False
    if isinstance(before, int | float):
        return 0
    return type(before)() if isinstance(before, str | list | dict) else None


def _listed(before: Any) -> list[Any]:
    if not isinstance(before, list):
        raise TypeError("it is no list")
    return before


def _append(before: Any, value: Any) -> list[Any]:
    items = _listed(before)
    if items and value is not None and _family(items[0]) != _family(value):
        raise TypeError(f"it holds {_family(items[0])}, the value is {_family(value)}")
    return [*items, value]


def _extend(before: Any, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("the value is no list")
    return [*_listed(before), *value]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} is no number")
    if isinstance(value, str):
        return float(value) if "." in value or "e" in value.lower() else int(value)
    return value


def _numeric(work: Callable[[float, float], float]) -> Callable[[Any, Any], float]:
    return lambda before, value: work(_number(before), _number(value))


OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "over-write": _replace,
    "set": _replace,
    "clear": _clear,
    "append": _append,
    "extend": _extend,
    "remove-first": lambda before, _: _listed(before)[1:],
    "remove-last": lambda before, _: _listed(before)[:-1],
    "+=": _numeric(lambda before, value: before + value),
    "-=": _numeric(lambda before, value: before - value),
    "*=": _numeric(lambda before, value: before * value),
    "/=": _numeric(lambda before, value: before / value),
}

KIND = AssignerKind()
