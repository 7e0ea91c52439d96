"""Definitions made ready to run: once per version, not once per run."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from workflows.engine.checks import require_runnable
from workflows.engine.graph import FAIL_BRANCH, Graph, Node, read_graph
from workflows.engine.references import SCOPES, Ref, Template, reads_of
from workflows.nodes import KINDS, SHAPES
from workflows.nodes.base import NodeFailed, NodeKind

KEPT = 256
DEFAULT_VALUE = "default-value"
MOST_RETRIES = 10
LONGEST_INTERVAL = 60.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do when the node fails: try again, then follow the strategy."""

    retries: int = 0
    interval: float = 0.0
    strategy: str = ""
    defaults: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A node with its kind and checked configuration; `fault` says why it has none."""

    node: Node
    kind: NodeKind[Any]
    config: Any
    policy: Policy
    fault: str = ""

    @property
    def template(self) -> Template:
        return self.kind.template(self.config) if self.kind.response and self.config else ()

    def require(self) -> None:
        if self.fault:
            raise NodeFailed(self.fault, code="invalid_config", retryable=False)


_graphs: OrderedDict[int, tuple[Mapping[str, Any], Graph]] = OrderedDict()


def graph_of(definition: Mapping[str, Any] | Graph) -> Graph:
    """The graph of a definition, kept for as long as the same object is asked for.

    Raises InvalidGraph.
    """
    if isinstance(definition, Graph):
        return definition
    known = _graphs.get(id(definition))
    if known is not None and known[0] is definition:
        return known[1]
    require_runnable(definition, SHAPES)
    graph = read_graph(definition, SHAPES)
    _graphs[id(definition)] = (definition, graph)
    if len(_graphs) > KEPT:
        _graphs.popitem(last=False)
    return graph


def compiled(graph: Graph) -> Mapping[str, Compiled]:
    if "nodes" not in graph.cache:
        graph.cache["nodes"] = {key: _compile(node) for key, node in graph.nodes.items()}
    nodes: dict[str, Compiled] = graph.cache["nodes"]
    return nodes


def templates(graph: Graph) -> Mapping[str, Template]:
    """What the responses of the flow say, by node."""
    if "templates" not in graph.cache:
        graph.cache["templates"] = {
            key: found.template
            for key, found in compiled(graph).items()
            if found.kind.response and not found.node.parent
        }
    found: dict[str, Template] = graph.cache["templates"]
    return found


def reads(graph: Graph) -> Mapping[str, tuple[Ref, ...]]:
    """Which variables of each node the flow refers to."""
    if "reads" not in graph.cache:
        found: dict[str, dict[Ref, None]] = {}
        for node in graph.nodes.values():
            for ref in reads_of(node.data, (*graph.nodes, *SCOPES)):
                found.setdefault(ref.path[0], {})[ref] = None
        graph.cache["reads"] = {key: tuple(refs) for key, refs in found.items()}
    by_node: dict[str, tuple[Ref, ...]] = graph.cache["reads"]
    return by_node


def _compile(node: Node) -> Compiled:
    kind = KINDS[node.kind]
    try:
        config, fault = kind.config.model_validate(node.data), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        config, fault = None, f"{node.title}: {place}: {first['msg']}"
    return Compiled(node, kind, config, _policy(node, kind), fault)


def _policy(node: Node, kind: NodeKind[Any]) -> Policy:
    if not kind.retryable:
        return Policy()
    retry, strategy = node.data.get("retry_config"), node.data.get("error_strategy")
    if not isinstance(retry, Mapping) or not retry.get("retry_enabled"):
        retry = {}
    rows = node.data.get("default_value") if strategy == DEFAULT_VALUE else ()
    return Policy(
        retries=int(_bounded(retry.get("max_retries"), MOST_RETRIES)),
        interval=_bounded(retry.get("retry_interval"), LONGEST_INTERVAL * 1000) / 1000,
        strategy=strategy if strategy in {FAIL_BRANCH, DEFAULT_VALUE} else "",
        defaults=tuple(row for row in rows or () if isinstance(row, Mapping)),
    )


def _bounded(value: Any, most: float) -> float:
    """A configured number between 0 and `most`; 0 for what is none."""
    try:
        number = float(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(number, 0.0), most) if math.isfinite(number) else 0.0
