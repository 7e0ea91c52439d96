"""Iteration: its children run once for each item of a list, in order or several at a time.

As in Dify: `item` and `index` are variables of the iteration inside its rounds; the results keep
the order of the items; a round that reached no result counts as null.
"""

from collections.abc import Mapping
from typing import Any

from workflows.engine.pool import Pool
from workflows.engine.records import Step
from workflows.engine.values import MISSING
from workflows.nodes.base import Config, ContainerKind, NodeContext, NodeFailed, Outcome
from workflows.nodes.fields import Selector, Text

MOST_AT_ONCE = 100
NAMES = frozenset({"output", "item", "index"})
CONTINUE, REMOVE = "continue-on-error", "remove-abnormal-output"


class IterationConfig(Config):
    iterator_selector: Selector = ()
    output_selector: Selector = ()
    is_parallel: bool | None = False
    parallel_nums: int | None = 10
    error_handle_mode: Text = "terminated"
    flatten_output: bool | None = True


class Items:
    """The rounds of one iteration: one an item, the next as soon as there is room."""

    def __init__(
        self, context: NodeContext, config: IterationConfig, items: list[Any], width: int
    ) -> None:
        self._config = config
        self._context = context
        self._items = items
        self._width = width
        self._results: list[Any] = [None] * len(items)
        self._pools: dict[int, Pool] = {}
        self._failed: set[int] = set()
        self._next = 0
        self._left = len(items)
        self.outcome: Outcome | NodeFailed | None = None
        if not items:
            self._finish()

    def first(self) -> range:
        return self._start(self._width)

    def _start(self, count: int) -> range:
        begin = self._next
        self._next = min(begin + count, len(self._items))
        return range(begin, self._next)

    def pool(self, index: int) -> Pool:
        outer = self._context.pool
        pool = self._pools[index] = Pool(compat=outer.compat, parent=outer)
        pool.put(self._context.node.id, {"item": self._items[index], "index": index})
        return pool

    def ended(self, index: int, *, failure: Step | None = None, broke: bool = False) -> range:
        pool = self._pools.pop(index)
        self._left -= 1
        if failure is not None:
            self._failed.add(index)
            if self._config.error_handle_mode not in {CONTINUE, REMOVE}:
                self.outcome = self._failure(index, failure)
                return range(0)
        else:
            value = pool.get(self._config.output_selector)
            self._results[index] = None if value is MISSING else value
        if not self._left:
            self._finish()
        return self._start(1)

    def _failure(self, index: int, failure: Step) -> NodeFailed:
        return NodeFailed(
            f"Item {index}: {failure.error}",
            code=failure.error_code or "iteration_failed",
            kind="IterationNodeError",
            inputs=self._inputs(),
        )

    def _inputs(self) -> dict[str, Any]:
        return {"iterator_selector": self._items}

    def _finish(self) -> None:
        results = self._results
        if self._config.error_handle_mode == REMOVE:
            results = [value for n, value in enumerate(results) if n not in self._failed]
        if self._config.flatten_output is not False:
            results = _flat(results)
        self.outcome = Outcome(outputs={"output": results}, inputs=self._inputs())


def _flat(results: list[Any]) -> list[Any]:
    """One level, when all results (but nulls) are lists."""
    lists = [value for value in results if value is not None]
    if not lists or not all(isinstance(value, list) for value in lists):
        return results
    return [item for value in lists for item in value]


class IterationKind(ContainerKind[IterationConfig]):
    name = "iteration"
    config = IterationConfig

    def open(self, context: NodeContext, config: IterationConfig) -> Items:
        items = context.pool.get(config.iterator_selector)
        if items is MISSING:
            name = ".".join(config.iterator_selector)
            raise NodeFailed(f"Iterator variable {name} not found", code="iterator_missing")
        items = [] if items is None else items
        if not isinstance(items, list):
            kind = type(items).__name__
            raise NodeFailed(f"Invalid iterator value: a {kind} is no list", code="not_a_list")
        width = min(max(config.parallel_nums or 1, 1), MOST_AT_ONCE) if config.is_parallel else 1
        return Items(context, config, items, width)

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return NAMES


KIND = IterationKind()
