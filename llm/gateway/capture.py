"""Step 7: what the call cost, written once and durably."""

import json
import logging

from billing.ledger import Settled, Settlement, get_ledger
from billing.models import UsageRecord
from llm.gateway.shapes import Call, TokenUsage

logger = logging.getLogger(__name__)
Outcome = UsageRecord.Outcome


async def capture(
    call: Call,
    usage: TokenUsage,
    outcome: str,
    *,
    finished: bool = True,
    message: dict[str, object] | None = None,
) -> Settled:
    """Charge `usage` to the call's hold. `message` is kept as the answer to give again."""
    cost = call.price.cost(usage.prompt, usage.completion, usage.cached)
    answer = None
    if message is not None and finished and call.keep_answer:
        answer = json.dumps({**message, "usage": _usage_json(usage)})
    return await _settle(call, usage, outcome, cost, finished, answer)


async def release(call: Call) -> None:
    """Give the hold back: nothing was delivered, nothing is owed."""
    if call.hold_id is not None:
        await _settle(call, TokenUsage(), Outcome.UPSTREAM_ERROR, 0, finished=False, answer=None)


async def _settle(
    call: Call, usage: TokenUsage, outcome: str, cost: int, finished: bool, answer: str | None
) -> Settled:
    if call.hold_id is None:
        raise RuntimeError("reserve has not run")
    settled = await get_ledger().settle(
        Settlement(
            hold_id=call.hold_id,
            cost=cost,
            outcome=outcome,
            usage_source=usage.source,
            prompt_tokens=usage.prompt,
            cached_tokens=usage.cached,
            completion_tokens=usage.completion,
            answer=answer,
            finished=finished,
            deployment=call.model.deployment.label,
            latency_ms=call.latency_ms,
            ttft_ms=call.ttft_ms,
            stream=call.stream,
        )
    )
    if not settled.closed or settled.shortfall:
        logger.warning(
            "hold %s: closed=%s shortfall=%s", call.hold_id, settled.closed, settled.shortfall
        )
    return settled


def _usage_json(usage: TokenUsage) -> dict[str, int]:
    return {"prompt": usage.prompt, "completion": usage.completion, "cached": usage.cached}
