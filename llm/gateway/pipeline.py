"""The steps in order. Both doors run exactly this."""

from __future__ import annotations

import json
import logging
from typing import Any

from billing.ledger import Replayed
from billing.models import UsageRecord
from core.errors import DomainError
from llm.errors import StreamBroken, UpstreamError, UpstreamUnreachable
from llm.gateway.assembly import Assembly
from llm.gateway.capture import capture, release
from llm.gateway.policy import check_policy
from llm.gateway.relay import BROKEN, Sink, patience, relay
from llm.gateway.reserve import reserve
from llm.gateway.route import route
from llm.gateway.shapes import Answer, Call, TokenUsage
from llm.gateway.sse import DONE
from llm.gateway.upstream import Upstream, open_upstream

logger = logging.getLogger(__name__)
Outcome = UsageRecord.Outcome


async def run_call(call: Call, sink: Sink) -> Answer | Replayed:
    """Make one paid call. Run it in a task that no disconnect cancels.

    When it returns or raises, the hold is settled: captured for what was delivered, or released.
    A process that dies in between leaves it open, for a take-over or for upkeep.
    """
    await check_policy(call)
    if (before := await reserve(call)) is not None:
        return before
    try:
        deployment, body = route(call)
        upstream = await open_upstream(call, deployment, body)
    except Exception as error:
        await _give_up(call, error)
        raise
    try:
        return await (_stream if call.stream else _plain)(call, upstream, sink)
    finally:
        await upstream.close()


async def _give_up(call: Call, error: Exception) -> None:
    """Nothing was delivered: release, whatever went wrong."""
    if not isinstance(error, DomainError):
        logger.error("model call %s failed", call.trace_id, exc_info=error)
    await release(call)


async def _plain(call: Call, upstream: Upstream, sink: Sink) -> Answer:
    assembly = Assembly()
    try:
        async with patience(sink):
            body = await upstream.read()
        assembly.add(_completion(body))
    except BROKEN as error:
        if not sink.gone:
            await release(call)
            reason = f"{type(error).__name__}: {error}"[:300]
            raise UpstreamUnreachable("The provider's answer broke off.", reason=reason) from error
        return await _unheard(call)
    except UpstreamError:
        await release(call)
        raise
    usage = assembly.usage(call)
    outcome = Outcome.CLIENT_GONE if sink.gone else Outcome.OK
    settled = await capture(call, usage, outcome, message=assembly.message())
    return Answer(body, assembly.message(), usage, settled.captured)


def _completion(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
        raise UpstreamError("The provider's answer is not a completion.", status=200, error={})
    return data


async def _unheard(call: Call) -> Answer:
    """The client left and the provider was too slow: the prompt was read, that much is certain."""
    usage = TokenUsage(call.prompt_estimate, 0, 0, "estimated")
    settled = await capture(call, usage, Outcome.CLIENT_GONE, finished=False)
    return Answer(b"", {}, usage, settled.captured)


async def _stream(call: Call, upstream: Upstream, sink: Sink) -> Answer:
    assembly = Assembly()
    finished = await relay(call, upstream, sink, assembly)
    if not finished and not sink.gone and not assembly.delivered:
        await release(call)
        raise _nothing_came(assembly)
    usage = assembly.usage(call)
    outcome = Outcome.CLIENT_GONE if sink.gone else Outcome.OK if finished else Outcome.CUT
    settled = await capture(call, usage, outcome, finished=finished, message=assembly.message())
    if not finished and not sink.gone:
        raise StreamBroken(
            "The provider's stream ended before the answer was complete.",
            cost=settled.captured,
            told=assembly.error is not None,
        )
    await sink.put(DONE, [])  # only now: nobody holds a complete answer that is not settled
    return Answer(b"", assembly.message(), usage, settled.captured)


def _nothing_came(assembly: Assembly) -> UpstreamError:
    error = assembly.error or {}
    message = str(error.get("message") or "The provider's stream brought nothing.")[:2_000]
    return UpstreamError(message, status=502, error=error)
