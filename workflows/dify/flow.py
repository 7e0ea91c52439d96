"""The flow while it is being imported: nodes and edges that still know their place in the file."""

from dataclasses import dataclass, field
from typing import Any

from workflows.dify.report import Notes, Place
from workflows.dify.tree import line_of

TYPE_NAMES = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "nothing",
}


@dataclass(slots=True)
class FlowNode:
    """`data` is Dify's own node data, repaired in place."""

    id: str
    kind: str
    title: str
    data: dict[str, Any]
    position: dict[str, float] | None
    parent: str
    line: int
    last: int

    def at(self, *keys: str | int) -> Place:
        """The place of a field within the node's data."""
        here: Any = self.data
        line = self.line
        for key in keys:
            line = line_of(here, key) or line
            here = step_into(here, key)
        return Place(self.id, line, path_of(keys))


@dataclass(slots=True)
class FlowEdge:
    id: str
    source: str
    target: str
    handle: str
    line: int

    @property
    def at(self) -> Place:
        return Place(self.source, self.line, "edges")


@dataclass(slots=True)
class Flow:
    """Everything of one file that the checks look at."""

    notes: Notes
    name: str = ""
    description: str = ""
    icon: str = ""
    mode: str = ""
    version: str = ""
    nodes: dict[str, FlowNode] = field(default_factory=dict)
    edges: list[FlowEdge] = field(default_factory=list)
    edge_line: int = 0
    dropped: set[str] = field(default_factory=set)
    environment: list[dict[str, Any]] = field(default_factory=list)
    conversation: list[dict[str, Any]] = field(default_factory=list)
    features: dict[str, Any] = field(default_factory=dict)

    def of_kind(self, *kinds: str) -> list[FlowNode]:
        return [node for node in self.nodes.values() if node.kind in kinds]


def step_into(value: Any, key: str | int) -> Any:
    """The entry under `key`, or None where there is none."""
    if isinstance(value, dict):
        return value.get(str(key))
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


def path_of(keys: tuple[str | int, ...]) -> str:
    parts = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return "".join(parts).removeprefix(".")


def type_name(value: object) -> str:
    """How a value's type is called in a sentence."""
    for python_type, name in TYPE_NAMES.items():
        if isinstance(value, python_type):
            return name
    return "something else"


def as_mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else ""
