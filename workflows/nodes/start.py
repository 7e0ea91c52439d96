"""Start: the run's inputs, checked against the form that the flow declares."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from workflows.engine.checks import SYSTEM
from workflows.engine.values import FILE, is_file
from workflows.nodes.base import Config, NodeContext, NodeFailed, NodeKind, Outcome
from workflows.nodes.fields import Text, names_in

TEXTS = frozenset({"text-input", "paragraph", "select"})


def _entries(value: Any) -> Any:
    return [row for row in value or () if isinstance(row, Mapping) and row.get("variable")]


class StartVariable(Config):
    variable: str
    label: Text = ""
    type: Text = "text-input"
    required: bool | None = False
    max_length: int | None = None
    options: list[Any] | None = None
    default: Any = None


class StartConfig(Config):
    variables: Annotated[list[StartVariable], BeforeValidator(_entries)] = Field(
        default_factory=list
    )


class StartKind(NodeKind[StartConfig]):
    name = "start"
    config = StartConfig

    async def run(self, context: NodeContext, config: StartConfig) -> Outcome:
        given = dict(context.run.inputs)
        for variable in config.variables:
            given[variable.variable] = _checked(variable, given.get(variable.variable))
        system = {f"sys.{name}": value for name, value in context.run.system.items()}
        return Outcome(outputs=given | system, inputs=dict(context.run.inputs))

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return names_in(data.get("variables"), "variable") | {f"sys.{name}" for name in SYSTEM}


def _refused(variable: StartVariable, why: str) -> NodeFailed:
    return NodeFailed(f"{variable.variable} {why}", code="invalid_input", retryable=False)


def _checked(variable: StartVariable, value: Any) -> Any:
    if value is None:
        value = variable.default
    if value is None or value == "":
        if variable.required:
            raise _refused(variable, "is required in input form")
        return value
    if check := CHECKS.get(variable.type):
        return check(variable, value)
    return value


def _text(variable: StartVariable, value: Any) -> str:
    if not isinstance(value, str):
        raise _refused(variable, "in input form must be a string")
    if variable.max_length and len(value) > variable.max_length:
        raise _refused(
            variable, f"in input form must be less than {variable.max_length} characters"
        )
    return value


def _choice(variable: StartVariable, value: Any) -> str:
    if value not in (variable.options or ()):
        raise _refused(variable, f"in input form must be one of the following: {variable.options}")
    return str(value)


def _number(variable: StartVariable, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _refused(variable, "in input form must be a valid number")
    if not isinstance(value, str):
        return value
    try:
        return float(value) if "." in value else int(value)
    except ValueError:
        raise _refused(variable, "in input form must be a valid number") from None


def _switch(variable: StartVariable, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False, "1": True, "0": False}
    if str(value).lower() not in words:
        raise _refused(variable, "in input form must be a boolean value")
    return words[str(value).lower()]


def _object(variable: StartVariable, value: Any) -> Any:
    try:
        loaded = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise _refused(variable, "in input form must be a dict")
    return loaded


def _file(variable: StartVariable, value: Any) -> Any:
    if is_file(value):
        return value
    if not isinstance(value, Mapping):
        raise _refused(variable, "in input form must be a file")
    name = value.get("name") or value.get("filename") or str(value.get("url") or "").split("/")[-1]
    return {**value, FILE: name or "file", "name": name or "file"}


def _files(variable: StartVariable, value: Any) -> Any:
    if not isinstance(value, list):
        raise _refused(variable, "in input form must be a list of files")
    return [_file(variable, item) for item in value]


CHECKS = {
    "text-input": _text,
    "paragraph": _text,
    "select": _choice,
    "number": _number,
    "checkbox": _switch,
    "json_object": _object,
    "file": _file,
    "file-list": _files,
}

KIND = StartKind()
