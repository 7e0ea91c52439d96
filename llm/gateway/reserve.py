"""Step 3: the most this call can cost, and a hold of that much before anything is sent."""

from typing import Any

from billing.ledger import Held, HoldOutcome, HoldRequest, Insufficient, RefInUse, get_ledger
from billing.ledger import Replayed as PaidBefore
from llm.errors import InsufficientFunds, InvalidRequest, ReferenceInUse
from llm.gateway.shapes import Call
from llm.tokens import measure_prompt

LIMITS = ("max_completion_tokens", "max_tokens")
SHORTEST_ANSWER = 16
"""Tokens. A wallet that cannot pay for so few is empty."""
TRIES = 3
_REASONS = {
    "other_request": "This reference was used for another request.",
    "in_progress": "A request with this reference is in progress.",
    "already_used": "This reference was already used.",
}


async def reserve(call: Call) -> PaidBefore | None:
    """Place the hold; a call that was paid before comes back with its answer instead.

    Where the request names no limit, the answer is limited to what the model can write and the
    wallet can pay, and that limit is what goes upstream.
    """
    call.prompt_estimate, prompt = measure_prompt(call.body)
    copies = _positive(call.body, "n") or 1
    asked = next((limit for name in LIMITS if (limit := _positive(call.body, name))), None)
    limit = asked or call.model.max_output_tokens
    for _ in range(TRIES):
        outcome = await _hold(call, call.price.cost(prompt, copies * limit))
        if not isinstance(outcome, Insufficient) or asked:
            break
        affordable = call.price.affordable_output(outcome.available, prompt) // copies
        limit = min(affordable, call.model.max_output_tokens)
        if limit < SHORTEST_ANSWER:
            break
    if isinstance(outcome, Held) and not asked:
        call.body[call.model.deployment.limit_parameter] = limit
    return _accept(call, outcome)


async def _hold(call: Call, amount: int) -> HoldOutcome:
    if call.wallet_id is None:
        raise RuntimeError("policy has not run")
    return await get_ledger().hold(
        HoldRequest(
            wallet_id=call.wallet_id,
            billing_ref=call.billing_ref,
            request_hash=call.request_hash,
            amount=amount,
            model=call.model.name,
            trace_id=call.trace_id,
            price_id=call.price.id,
            run_id=call.run_id,
            node_id=call.node_id,
            api_key_id=call.caller.api_key_id,
            user_id=call.caller.user_id,
            may_take_over=call.may_take_over,
        )
    )


def _accept(call: Call, outcome: HoldOutcome) -> PaidBefore | None:
    match outcome:
        case Held():
            call.hold_id = outcome.hold_id
            return None
        case PaidBefore():
            return outcome
        case Insufficient():
            raise InsufficientFunds(
                "The wallet does not cover this call.",
                needed=outcome.needed,
                available=outcome.available,
            )
        case RefInUse():
            raise ReferenceInUse(_REASONS[outcome.reason], reason=outcome.reason)


def _positive(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000_000:
        raise InvalidRequest(f"'{name}' must be a positive integer.", param=name)
    return value
