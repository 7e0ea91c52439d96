"""Secrets of a flow's environment stay out of what is recorded of its steps."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workflows.engine.graph import Graph
from workflows.engine.records import Event, LogLine, Step

MASK = "••••"
SHORTEST = 4
"""Shorter texts are no secrets, and masking them would riddle everything."""


def secrets_of(graph: Graph) -> tuple[str, ...]:
    found = (item.get("value") for item in graph.environment if item.get("value_type") == "secret")
    texts = {value for value in found if isinstance(value, str) and len(value) >= SHORTEST}
    return tuple(sorted(texts, key=len, reverse=True))


def masked(step: Step, secrets: tuple[str, ...]) -> Step:
    """The step with secrets blotted out of its inputs and its error; outputs are the flow's own."""
    if not secrets:
        return step
    return replace(step, inputs=_blot(step.inputs, secrets), error=_blot(step.error, secrets))


def masked_event(event: Event, secrets: tuple[str, ...]) -> Event:
    return replace(event, data=_blot(event.data, secrets)) if secrets else event


def masked_line(line: LogLine, secrets: tuple[str, ...]) -> LogLine:
    return replace(line, message=_blot(line.message, secrets)) if secrets else line


def _blot(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, Mapping):
        return {key: _blot(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_blot(item, secrets) for item in value]
    return value
