"""Definitions made ready to run: once per version, not once per run."""

import math
import random
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
MOST_OWN_RETRIES = 100
LONGEST_PAUSE = 86_400.0
LONGEST_TIMEOUT = 86_400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do when the node fails: try again, then follow the strategy.

    The pause before attempt n + 1 is `interval` seconds, times `factor` for each attempt before,
    at most `longest`, give or take the share `jitter` of it. `final` are codes that no further
    attempt would change. `timeout`: seconds that one attempt may take; 0 for no limit.
    """

    retries: int = 0
    interval: float = 0.0
    factor: float = 1.0
    longest: float = LONGEST_INTERVAL
    jitter: float = 0.0
    final: frozenset[str] = frozenset()
    timeout: float = 0.0
    strategy: str = ""
    defaults: tuple[Mapping[str, Any], ...] = ()

    def again(self, attempt: int, failure: NodeFailed) -> bool:
        """Whether attempt number `attempt`, which failed so, is followed by another."""
        return attempt <= self.retries and failure.retryable and failure.code not in self.final

    def pause(self, attempt: int) -> float:
        """Seconds after attempt number `attempt`."""
        pause = min(self.interval * self.factor ** min(attempt - 1, 64), self.longest)
        return pause * (1 + self.jitter * random.uniform(-1, 1)) if self.jitter else pause  # noqa: S311  # nosec B311 - spreads load


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


def most_parallel(graph: Graph, limit: int) -> int:
    """Effects of a run at work at a time: `loomwork.max_parallel` of its start, at most `limit`."""
    start = graph.nodes.get(graph.start)
    own = _mapping(start.data.get("loomwork")) if start else {}
    return max(int(_bounded(own.get("max_parallel"), limit)), 0) or limit


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


def assigned(graph: Graph) -> frozenset[tuple[str, ...]]:
    """Variables that some node of the flow may change on the way."""
    if "assigned" not in graph.cache:
        found = (node for node in compiled(graph).values() if node.config)
        graph.cache["assigned"] = frozenset().union(
            *(node.kind.assigns(node.config) for node in found)
        )
    paths: frozenset[tuple[str, ...]] = graph.cache["assigned"]
    return paths


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
    """Dify's settings where the kind has them; our own, under `loomwork`, for every kind."""
    own = _mapping(node.data.get("loomwork"))
    policy = Policy(timeout=_bounded(own.get("timeout_seconds"), LONGEST_TIMEOUT))
    if kind.retryable or "error_strategy" in own:
        policy = replace(policy, **_strategy(own if "error_strategy" in own else node.data))
    if "retry" in own:
        return replace(policy, **_retry(_mapping(own["retry"])))
    retry = _mapping(node.data.get("retry_config"))
    if not kind.retryable or not retry.get("retry_enabled"):
        return policy
    interval = _bounded(retry.get("retry_interval"), LONGEST_INTERVAL * 1000) / 1000
    return replace(
        policy, retries=int(_bounded(retry.get("max_retries"), MOST_RETRIES)), interval=interval
    )


def _strategy(data: Mapping[str, Any]) -> dict[str, Any]:
    strategy = data.get("error_strategy")
    rows = data.get("default_value") if strategy == DEFAULT_VALUE else ()
    return {
        "strategy": strategy if strategy in {FAIL_BRANCH, DEFAULT_VALUE} else "",
        "defaults": tuple(row for row in rows or () if isinstance(row, Mapping)),
    }


def _retry(own: Mapping[str, Any]) -> dict[str, Any]:
    """max_retries, initial_seconds, factor, max_seconds, jitter (0 to 1), final_codes."""
    codes = own.get("final_codes")
    return {
        "retries": int(_bounded(own.get("max_retries"), MOST_OWN_RETRIES)),
        "interval": _bounded(own.get("initial_seconds", 1), LONGEST_PAUSE),
        "factor": max(_bounded(own.get("factor", 2), 100), 1.0),
        "longest": _bounded(own.get("max_seconds") or LONGEST_PAUSE, LONGEST_PAUSE),
        "jitter": _bounded(own.get("jitter"), 1.0),
        "final": frozenset(map(str, codes)) if isinstance(codes, list) else frozenset(),
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _bounded(value: Any, most: float) -> float:
    """A configured number between 0 and `most`; 0 for what is none."""
    try:
        number = float(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(number, 0.0), most) if math.isfinite(number) else 0.0
