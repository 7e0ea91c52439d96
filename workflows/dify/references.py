"""Every reference in texts and selectors must lead to a variable that exists.

Dify itself does not check: what leads nowhere shows up as a failed run, or as the name of the
variable in the middle of an answer.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from workflows.dify.flow import Flow, FlowNode, as_list, as_mapping, as_text
from workflows.dify.kinds import (
    CHAT_ONLY,
    FIXED_OUTPUTS,
    HUMAN_OUTPUTS,
    OURS,
    TEXT_FIELDS,
)
from workflows.dify.shapes import texts_in
from workflows.engine.checks import FAILURE_OUTPUTS, SYSTEM
from workflows.engine.references import PATTERN

# References, and what people mean as one and Dify leaves as it is: spaces, hyphens, indexes.
LOOKS_LIKE = re.compile(r"\{\{\s{0,20}#[^{}#\n]{1,400}#\s{0,20}\}\}")
SPECIAL = frozenset({"context", "histories", "query"})
OWN_OUTPUT = "$output."
PLAIN_ID = re.compile(r"[A-Za-z0-9_]{1,50}")

Keys = tuple[str | int, ...]


def check_references(flow: Flow, *, lenient: bool) -> None:
    """Note references to nothing: faults, or warnings where `lenient` (Dify would run them)."""
    check = _Check(flow, lenient=lenient)
    for node in flow.nodes.values():
        if node.kind not in OURS:
            continue
        for field in TEXT_FIELDS.get(node.kind, ()):
            for keys, text in texts_in(node.data.get(field), (field,)):
                if "{{" in text and "#" in text:
                    check.text(node, keys, text)
        if selectors := SELECTORS.get(node.kind):
            for keys, selector in selectors(node.data):
                check.selector(node, keys, selector)
    _warn_of_ids(flow)


def _warn_of_ids(flow: Flow) -> None:
    for node in flow.nodes.values():
        if node.kind in OURS and not PLAIN_ID.fullmatch(node.id):
            flow.notes.warn("hyphen_id", node.at(), id=node.id)


class _Check:
    def __init__(self, flow: Flow, *, lenient: bool) -> None:
        self.flow = flow
        self.dangling = flow.notes.warn if lenient else flow.notes.fault
        self.outputs = {node.id: outputs_of(node) for node in flow.nodes.values()}
        self.environment = {str(item["name"]) for item in flow.environment}
        self.conversation = {str(item["name"]) for item in flow.conversation}

    def text(self, node: FlowNode, keys: Keys, text: str) -> None:
        for written in dict.fromkeys(found.group() for found in LOOKS_LIKE.finditer(text)):
            if reference := PATTERN.fullmatch(written):
                self.lookup(node, keys, tuple(reference.group(1).split(".")))
            elif not is_special(written):
                self.flow.notes.warn("literal_reference", node.at(*keys), reference=written)

    def selector(self, node: FlowNode, keys: Keys, selector: Any) -> None:
        parts = tuple(str(part) for part in as_list(selector) if part is not None)
        if len(parts) < 2:
            self.flow.notes.warn("empty_reference", node.at(*keys))
        else:
            self.lookup(node, keys, parts)

    def lookup(self, node: FlowNode, keys: Keys, parts: tuple[str, ...]) -> None:
        reference = ".".join(parts)
        if why := self.why_missing(parts[0], parts[1]):
            self.dangling("dangling_reference", node.at(*keys), reference=reference, why=why)
        elif self.flow.mode == "workflow" and parts[0] == "sys" and parts[1] in CHAT_ONLY:
            self.flow.notes.warn("chat_variable", node.at(*keys), reference=reference)

    def why_missing(self, owner: str, name: str) -> str:
        """Why `owner.name` leads to nothing; empty when it leads somewhere."""
        known = {"sys": SYSTEM, "env": self.environment, "conversation": self.conversation}
        words = {"sys": "system", "env": "environment", "conversation": "conversation"}
        if owner in known and owner not in self.outputs:
            return "" if name in known[owner] else f"there is no {words[owner]} variable “{name}”"
        if owner in self.flow.dropped or owner not in self.outputs:
            return f"there is no node “{owner}”"
        outputs = self.outputs[owner]
        if outputs is None or name in outputs:
            return ""
        title = self.flow.nodes[owner].title
        return f"the node “{title}” has no output “{name}”"


def is_special(written: str) -> bool:
    """Marks that are filled in by the node itself: `{{#context#}}`, `{{#$output.name#}}`."""
    inner = written.strip("{#}")
    return inner in SPECIAL or inner.startswith(OWN_OUTPUT)


def outputs_of(node: FlowNode) -> frozenset[str] | None:
    """The names that can be read from a node; None when that cannot be told."""
    names = _own_outputs(node)
    if names is None:
        return None
    return names | FAILURE_OUTPUTS | _default_outputs(node)


def _own_outputs(node: FlowNode) -> frozenset[str] | None:
    data = node.data
    match node.kind:
        case "start":
            declared = _named(data.get("variables"), "variable")
            return declared | {f"sys.{name}" for name in SYSTEM}
        case "end":
            return _named(data.get("outputs"), "variable")
        case "code":
            return frozenset(as_mapping(data.get("outputs")))
        case "human-input":
            return _named(data.get("inputs"), "output_variable_name") | HUMAN_OUTPUTS
        case "variable-aggregator":
            return _aggregated(data)
        case kind:
            return _looped(data) if kind == "loop" else FIXED_OUTPUTS.get(kind)


def _looped(data: dict[str, Any]) -> frozenset[str]:
    return _named(data.get("loop_variables"), "label") | {"loop_round"}


def _aggregated(data: dict[str, Any]) -> frozenset[str]:
    settings = as_mapping(data.get("advanced_settings"))
    if settings.get("group_enabled"):
        return _named(settings.get("groups"), "group_name")
    return frozenset({"output"})


def _default_outputs(node: FlowNode) -> frozenset[str]:
    return _named(node.data.get("default_value"), "key")


def _named(items: Any, key: str) -> frozenset[str]:
    names = (as_mapping(item).get(key) for item in as_list(items))
    return frozenset(name for name in names if isinstance(name, str))


Selectors = Iterator[tuple[Keys, Any]]


def _in_variables(data: dict[str, Any]) -> Selectors:
    for index, item in enumerate(as_list(data.get("variables"))):
        yield ("variables", index, "value_selector"), as_mapping(item).get("value_selector")


def _in_end(data: dict[str, Any]) -> Selectors:
    for index, item in enumerate(as_list(data.get("outputs"))):
        yield ("outputs", index, "value_selector"), as_mapping(item).get("value_selector")


def _in_if_else(data: dict[str, Any]) -> Selectors:
    for index, case in enumerate(as_list(data.get("cases"))):
        for number, item in enumerate(as_list(as_mapping(case).get("conditions"))):
            keys = ("cases", index, "conditions", number, "variable_selector")
            yield keys, as_mapping(item).get("variable_selector")


def _in_llm(data: dict[str, Any]) -> Selectors:
    context, vision = as_mapping(data.get("context")), as_mapping(data.get("vision"))
    if context.get("enabled"):
        yield ("context", "variable_selector"), context.get("variable_selector")
    configs = as_mapping(vision.get("configs"))
    if vision.get("enabled") and configs.get("variable_selector"):  # else the files of the chat
        yield ("vision", "configs", "variable_selector"), configs.get("variable_selector")
    config = as_mapping(data.get("prompt_config"))
    for index, item in enumerate(as_list(config.get("jinja2_variables"))):
        keys = ("prompt_config", "jinja2_variables", index, "value_selector")
        yield keys, as_mapping(item).get("value_selector")


def _in_aggregator(data: dict[str, Any]) -> Selectors:
    settings = as_mapping(data.get("advanced_settings"))
    if not settings.get("group_enabled"):
        for index, selector in enumerate(as_list(data.get("variables"))):
            yield ("variables", index), selector
        return
    for number, group in enumerate(as_list(settings.get("groups"))):
        for index, selector in enumerate(as_list(as_mapping(group).get("variables"))):
            yield ("advanced_settings", "groups", number, "variables", index), selector


def _in_http(data: dict[str, Any]) -> Selectors:
    for index, part in enumerate(as_list(as_mapping(data.get("body")).get("data"))):
        if as_text(as_mapping(part).get("type")) == "file":
            yield ("body", "data", index, "file"), part.get("file")


def _in_tool(data: dict[str, Any]) -> Selectors:
    for name, item in as_mapping(data.get("tool_parameters")).items():
        if as_mapping(item).get("type") == "variable":
            yield ("tool_parameters", name, "value"), item.get("value")


def _in_human_input(data: dict[str, Any]) -> Selectors:
    for index, item in enumerate(as_list(data.get("inputs"))):
        default = as_mapping(as_mapping(item).get("default"))
        if default.get("type") == "variable":
            yield ("inputs", index, "default", "selector"), default.get("selector")


SELECTORS: dict[str, Callable[[dict[str, Any]], Selectors]] = {
    "end": _in_end,
    "code": _in_variables,
    "template-transform": _in_variables,
    "if-else": _in_if_else,
    "llm": _in_llm,
    "variable-aggregator": _in_aggregator,
    "http-request": _in_http,
    "tool": _in_tool,
    "human-input": _in_human_input,
}
