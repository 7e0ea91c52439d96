"""What differs between two runs: what they were given, what they came to, and each node between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workflows.models import Run, Step

MOST_DIFFERENCES = 100
"""Places that one comparison of two values names."""
MOST_NODES = 500
"""Steps of each run that are compared."""
DEEPEST = 20
LONGEST_SHOWN = 300
ABSENT = object()


@dataclass(slots=True)
class Difference:
    """`path` from the root of the value, `a.0.b`; a side that has nothing there is None."""

    path: str
    left: Any
    right: Any
    only: str = ""
    """"left" or "right" where the other side has no such place."""


@dataclass(slots=True)
class Diff:
    items: list[Difference] = field(default_factory=list)
    more: bool = False

    @property
    def same(self) -> bool:
        return not self.items


def diff(left: Any, right: Any) -> Diff:
    """Differences of two JSON values, place by place, in the order of the left one."""
    found = Diff()
    for item in _differences(left, right, "", 0):
        if len(found.items) == MOST_DIFFERENCES:
            found.more = True
            break
        found.items.append(item)
    return found


def _differences(left: Any, right: Any, path: str, depth: int) -> Iterator[Difference]:
    if left is ABSENT or right is ABSENT:
        only = "right" if left is ABSENT else "left"
        yield Difference(path, _shown(left), _shown(right), only)
    elif depth < DEEPEST and isinstance(left, dict) and isinstance(right, dict):
        for key in {**left, **right}:
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(left.get(key, ABSENT), right.get(key, ABSENT), inner, depth + 1)
    elif depth < DEEPEST and isinstance(left, list) and isinstance(right, list):
        for number in range(max(len(left), len(right))):
            one = left[number] if number < len(left) else ABSENT
            other = right[number] if number < len(right) else ABSENT
            inner = f"{path}.{number}" if path else str(number)
            yield from _differences(one, other, inner, depth + 1)
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        yield Difference(path, _shown(left), _shown(right))


def _shown(value: Any) -> Any:
    """The value, or the begin of its text where that is long."""
    if value is ABSENT:
        return None
    if isinstance(value, str):
        return value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…"
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False)
        return value if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return value


@dataclass(slots=True)
class NodePair:
    node_id: str
    iteration: str
    kind: str
    left: Step | None
    right: Step | None
    outputs: Diff

    @property
    def same(self) -> bool:
        both = self.left is not None and self.right is not None
        return both and self.outputs.same and self.left.status == self.right.status  # type: ignore[union-attr]  # both are there


@dataclass(slots=True)
class Comparison:
    left: Run
    right: Run
    inputs: Diff
    outputs: Diff
    error: Diff
    nodes: list[NodePair]
    more_nodes: bool

    @property
    def same_version(self) -> bool:
        return self.left.version_id == self.right.version_id

    def as_json(self) -> dict[str, Any]:
        return {
            "left": _run_json(self.left),
            "right": _run_json(self.right),
            "same_version": self.same_version,
            "inputs": diff_json(self.inputs),
            "outputs": diff_json(self.outputs),
            "error": diff_json(self.error),
            "nodes": [
                {
                    "node_id": pair.node_id,
                    "iteration": pair.iteration,
                    "kind": pair.kind,
                    "same": pair.same,
                    "left": _step_json(pair.left),
                    "right": _step_json(pair.right),
                    "outputs": diff_json(pair.outputs),
                }
                for pair in self.nodes
            ],
            "more_nodes": self.more_nodes,
        }


def diff_json(found: Diff) -> dict[str, Any]:
    rows = [
        {"path": item.path, "left": item.left, "right": item.right, "only": item.only}
        for item in found.items
    ]
    return {"same": found.same, "differences": rows, "more": found.more}


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "id": run.public_id,
        "workflow": run.workflow_id,
        "version": run.version_id,
        "version_number": run.version.number,
        "state": run.state,
        "duration_ms": run.duration_ms,
        "cost": run.cost,
        "tokens": run.tokens,
    }


def _step_json(step: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    return {
        "status": step.status,
        "attempts": step.attempts,
        "duration_ms": step.duration_ms,
        "cost": step.cost,
        "error_code": step.error_code,
    }


def compare_runs(left: Run, right: Run) -> Comparison:
    """Both seen by the caller, with their versions. Two queries beside large values."""
    ours, theirs = _steps(left), _steps(right)
    keys = {**ours, **theirs}
    pairs = [_pair(key, ours.get(key), theirs.get(key)) for key in list(keys)[:MOST_NODES]]
    return Comparison(
        left=left,
        right=right,
        inputs=diff(left.inputs, right.inputs),
        outputs=diff(left.outputs, right.outputs),
        error=diff(left.error, right.error),
        nodes=pairs,
        more_nodes=len(keys) > MOST_NODES or max(left.step_count, right.step_count) > MOST_NODES,
    )


def _steps(run: Run) -> dict[tuple[str, str], Step]:
    rows = Step.objects.filter(run=run).order_by("pk").defer("inputs")[:MOST_NODES]
    return {(step.node_id, step.iteration): step for step in rows}


def _pair(key: tuple[str, str], left: Step | None, right: Step | None) -> NodePair:
    known: Any = left or right
    outputs = diff(left.outputs, right.outputs) if left and right else Diff()
    return NodePair(*key, known.kind, left, right, outputs)
