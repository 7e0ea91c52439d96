"""The door for code of this process: workflow nodes, and whatever else calls a model.

The same pipeline as `/v1`, without HTTP. A call is named by its `billing_ref`: asked again, it
gives the recorded answer and is not paid again; left open by a process that died, it is made again
under the same hold.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from billing.ledger import Replayed
from llm.gateway.assembly import content_of
from llm.gateway.pipeline import run_call
from llm.gateway.runtime import close_gateway, get_runtime
from llm.gateway.shapes import Answer, Call, Caller, TokenUsage
from orgs.access import Actor

__all__ = ["ModelAnswer", "ModelCall", "close_gateway", "complete"]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """`messages` and `params` as in OpenAI's chat completions; `params` go upstream untouched."""

    organization_id: UUID | str
    model: str
    messages: list[dict[str, Any]]
    billing_ref: str
    trace_id: str
    params: dict[str, Any] = field(default_factory=dict)
    run_id: str = ""
    node_id: str = ""
    actor: Actor | None = None
    on_delta: Callable[[str], None] | None = None
    """Called with each piece of text; the answer is then streamed from the provider."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    text: str
    reasoning: str
    finish_reason: str
    usage: dict[str, int]
    """prompt_tokens, completion_tokens, total_tokens, cached_tokens."""
    cost: int
    """Nanos taken from the wallet for it, now or when it was first made."""
    model: str
    replayed: bool = False
    tool_calls: tuple[dict[str, Any], ...] = ()
    raw: dict[str, Any] | None = None
    """The provider's whole completion; None for a stream or a replay."""


async def complete(call: ModelCall) -> ModelAnswer:
    """Make the call, or give the answer it had. Raises `llm.errors.ModelCallRefused`.

    Cancelling the caller does not cancel the call: it is read to its end (for at most half a
    minute) and settled, and its answer waits under the reference.
    """
    listener = Listener(call.on_delta)
    task = get_runtime().spawn(run_call(call_of(call), listener))
    try:
        outcome = await asyncio.shield(task)
    except asyncio.CancelledError:
        listener.leave()
        task.add_done_callback(_seen)
        raise
    if isinstance(outcome, Replayed):
        return _replay(call, outcome)
    return _answer(call, outcome)


class Listener:
    """A sink that hands text to a function."""

    def __init__(self, on_delta: Callable[[str], None] | None) -> None:
        self.gone = False
        self._on_delta = on_delta
        self._on_leave: Callable[[], None] | None = None

    def on_leave(self, act: Callable[[], None]) -> None:
        self._on_leave = act
        if self.gone:
            act()

    def leave(self) -> None:
        self.gone = True
        if self._on_leave is not None:
            self._on_leave()

    async def put(self, piece: bytes, events: list[dict[str, Any]]) -> None:
        if self._on_delta is None or self.gone:
            return
        for event in events:
            if text := text_of(event):
                self._on_delta(text)


def text_of(event: dict[str, Any]) -> str:
    """The first choice's new text."""
    choices = [c for c in event.get("choices") or () if not c.get("index")]
    return "".join(content_of(choice.get("delta") or {}) for choice in choices)


def call_of(call: ModelCall) -> Call:
    body = {**call.params, "model": call.model, "messages": call.messages}
    body.pop("stream", None)
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, default=str)
    if streamed := call.on_delta is not None:
        body["stream"] = True
    actor = call.actor
    return Call(
        caller=Caller(
            UUID(str(call.organization_id)),
            api_key_id=actor.api_key_id if actor else None,
            user_id=actor.user_id if actor else None,
        ),
        body=body,
        billing_ref=call.billing_ref,
        request_hash=hashlib.sha256(text.encode(errors="replace")).hexdigest(),
        trace_id=call.trace_id,
        stream=streamed,
        run_id=str(call.run_id),
        node_id=call.node_id,
        may_take_over=True,
        keep_answer=True,
    )


def _answer(call: ModelCall, answer: Answer) -> ModelAnswer:
    raw = json.loads(answer.body) if answer.body else None
    return _made(call, answer.message, _usage(answer.usage), answer.cost, raw=raw)


def _replay(call: ModelCall, paid: Replayed) -> ModelAnswer:
    kept = json.loads(paid.answer)
    usage = _usage(TokenUsage(**kept.pop("usage")))
    answer = _made(call, kept, usage, paid.cost, replayed=True)
    if call.on_delta is not None and answer.text:
        call.on_delta(answer.text)
    return answer


def _made(
    call: ModelCall, message: dict[str, Any], usage: dict[str, int], cost: int, **more: Any
) -> ModelAnswer:
    return ModelAnswer(
        text=message["text"],
        reasoning=message["reasoning"],
        finish_reason=message["finish_reason"],
        usage=usage,
        cost=cost,
        model=message["model"] or call.model,
        tool_calls=tuple(message["tool_calls"]),
        **more,
    )


def _usage(usage: TokenUsage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "cached_tokens": usage.cached,
    }


def _seen(task: asyncio.Task[Any]) -> None:
    """Take note of how an abandoned call ended, so that the loop does not complain."""
    if not task.cancelled():
        task.exception()
