"""The flows that are measured. A worker is given their kinds by `celery --include`."""

import asyncio
from itertools import pairwise
from typing import Any

from workflows.nodes import KINDS, SHAPES
from workflows.nodes.base import Config, NodeContext, NodeKind, Outcome

PAYLOAD = {"text": "x" * 120, "count": 42, "done": True, "items": ["a", "b", "c"], "note": "bench"}
"""190 bytes as JSON: what every step of every engine puts out."""


class Pure(NodeKind[Config]):
    """Costs nothing but its step."""

    name = "bench-pure"
    config = Config

    async def run(self, context: NodeContext, config: Config) -> Outcome:
        return Outcome(outputs=dict(PAYLOAD))


class Effect(Pure):
    """The same, but claims to reach outside: durable before the next one starts."""

    name = "bench-effect"
    effect = True


class Slow(Effect):
    """An effect that takes a while."""

    name = "bench-slow"

    async def run(self, context: NodeContext, config: Config) -> Outcome:
        await asyncio.sleep(0.05)
        return Outcome(outputs=dict(PAYLOAD))


for kind in (Pure(), Effect(), Slow()):
    KINDS[kind.name] = kind
    SHAPES[kind.name] = kind.shape


def chain(kind: str, steps: int, **data: Any) -> dict[str, Any]:
    """A start, one step after the other, an end."""
    keys = [f"s{n}" for n in range(1, steps + 1)]
    return _flow(kind, keys, list(pairwise(["start", *keys, "end"])), data)


def fan(kind: str, steps: int) -> dict[str, Any]:
    """A start, all steps beside each other, an end."""
    keys = [f"s{n}" for n in range(1, steps + 1)]
    return _flow(kind, keys, [pair for key in keys for pair in (("start", key), (key, "end"))], {})


def ask_model() -> dict[str, Any]:
    """A start, one model call through the gateway, an end."""
    return chain(
        "llm",
        1,
        model={"provider": "bench", "name": "bench", "mode": "chat", "completion_params": {}},
        prompt_template=[{"role": "user", "text": "Say something."}],
        context={"enabled": False, "variable_selector": []},
        vision={"enabled": False},
    )


def _flow(
    kind: str, keys: list[str], pairs: list[tuple[str, str]], data: dict[str, Any]
) -> dict[str, Any]:
    nodes = [_node("start", "start", variables=[])]
    nodes += [_node(key, kind, **data) for key in keys]
    nodes.append(_node("end", "end", outputs=[]))
    edges = [
        {"id": f"{source}-{target}", "source": source, "target": target, "sourceHandle": "source"}
        for source, target in pairs
    ]
    head = {"mode": "workflow", "compat": True, "features": {}}
    return head | {"nodes": nodes, "edges": edges, "environment": [], "conversation": []}


def _node(key: str, kind: str, **data: Any) -> dict[str, Any]:
    return {"id": key, "type": kind, "title": key, "position": {"x": 0, "y": 0}, "data": data}
