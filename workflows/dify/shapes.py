"""Checks of single nodes: fields that a run cannot do without, comparisons, secrets, models."""

import re
from collections.abc import Iterator
from typing import Any

from workflows.dify.flow import Flow, FlowNode, as_list, as_mapping, type_name
from workflows.dify.kinds import LONGEST_ID, OPERATORS, SHAPES

PYTHON_TYPES: dict[str, type] = {"text": str, "list": list, "mapping": dict}
WORDS = {"text": "text", "list": "a list", "mapping": "a mapping", "list|mapping": "a list"}
SECRET = re.compile(
    r"sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|AIza[0-9A-Za-z_-]{30,}"
    r"|xox[abprs]-[0-9A-Za-z-]{10,}|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    r"|[Bb]earer [A-Za-z0-9._~+/-]{24,}"
)
HINT = 6
EXITS = {"if-else": (("cases", "case_id"),), "human-input": (("user_actions", "id"),)}


def check_nodes(flow: Flow) -> None:
    for node in flow.nodes.values():
        _check_shape(flow, node)
        _check_secrets(flow, node)
        _check_exits(flow, node)
        if node.kind == "if-else":
            _check_conditions(flow, node)
        model = as_mapping(node.data.get("model")).get("name")
        if isinstance(model, str) and model:
            flow.notes.models.add(model)


def _check_shape(flow: Flow, node: FlowNode) -> None:
    for field, shape in SHAPES.get(node.kind, {}).items():
        wanted, value = shape.removesuffix("?"), node.data.get(field)
        if value is None:
            if not shape.endswith("?"):
                flow.notes.fault("missing_field", node.at(field), field=field)
        elif not isinstance(value, tuple(PYTHON_TYPES[name] for name in wanted.split("|"))):
            found = type_name(value)
            at = node.at(field)
            flow.notes.fault("wrong_type", at, field=field, wanted=WORDS[wanted], found=found)


def _check_exits(flow: Flow, node: FlowNode) -> None:
    for field, key in EXITS.get(node.kind, ()):
        for index, row in enumerate(as_list(node.data.get(field))):
            name = str(as_mapping(row).get(key) or "")
            if len(name) > LONGEST_ID:
                at = node.at(field, index, key)
                flow.notes.fault("id_too_long", at, id=name, limit=LONGEST_ID)


def _check_conditions(flow: Flow, node: FlowNode) -> None:
    for index, case in enumerate(as_list(node.data.get("cases"))):
        conditions = as_list(as_mapping(case).get("conditions"))
        if not conditions:
            name = as_mapping(case).get("case_id") or index + 1
            flow.notes.warn("empty_case", node.at("cases", index), case=name)
        for number, condition in enumerate(conditions):
            operator = as_mapping(condition).get("comparison_operator")
            if not isinstance(operator, str) or operator not in OPERATORS:
                at = node.at("cases", index, "conditions", number, "comparison_operator")
                flow.notes.fault("unknown_operator", at, operator=operator)


def _check_secrets(flow: Flow, node: FlowNode) -> None:
    for keys, text in texts_in(node.data):
        if found := SECRET.search(text):
            flow.notes.warn("secret_in_text", node.at(*keys), hint=f"{found.group()[:HINT]}…")


def texts_in(
    value: Any, keys: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text inside a value, with the keys that lead to it. At most DEEPEST calls deep."""
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(item, (*keys, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts_in(item, (*keys, index))
