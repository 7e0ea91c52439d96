"""What a run has achieved once nothing is left to do."""

from collections.abc import Iterable
from typing import Any

from workflows.engine.graph import Graph
from workflows.engine.records import RunState, Step, StepStatus


def outputs_of(graph: Graph, steps: Iterable[Step]) -> dict[str, Any]:
    """Outputs of all ends in the order they were reached: later ends win, answers concatenate."""
    merged: dict[str, Any] = {}
    for step in steps:
        if not graph.nodes[step.node_id].response or step.status == StepStatus.FAILED:
            continue
        for name, value in step.outputs.items():
            merged[name] = _joined(name, merged.get(name), value)
    return merged


def state_of(graph: Graph, steps: Iterable[Step]) -> RunState:
    """Succeeded, in part where a failure was handled (for Dify, where one was merely retried)."""
    for step in steps:
        if step.status == StepStatus.EXCEPTION or (graph.compat and step.attempts > 1):
            return RunState.PARTIAL
    return RunState.SUCCEEDED


def _joined(name: str, before: Any, value: Any) -> Any:
    if name == "answer" and before:
        return f"{before}{value}"
    if name == "files" and isinstance(before, list) and isinstance(value, list):
        return [*before, *value]
    return value
