"""Step 5: the call itself, over aiohttp or to the offline provider, behind one small shape."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

import aiohttp
from yarl import URL

from core.http import OutgoingRefused
from core.ids import uuid7
from core.trace import traceparent_of
from llm.errors import UpstreamError, UpstreamRefused, UpstreamUnreachable
from llm.gateway.runtime import get_runtime
from llm.gateway.shapes import Call, Deployment
from llm.gateway.sse import DONE, event_of
from llm.offline import write_answer

MAX_ANSWER = 64 * 1024 * 1024
MAX_ERROR = 64 * 1024
WORD_SECONDS = 0.004
"""The offline provider's pace: fast, but seen to stream."""
_PASSED_ON = ("retry-after", "retry-after-ms", "x-should-retry")


class Upstream(Protocol):
    """An answer that has begun: status 200, nothing read yet."""

    async def read(self) -> bytes: ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def close(self) -> None: ...


async def open_upstream(call: Call, deployment: Deployment, body: dict[str, Any]) -> Upstream:
    """Send the request. Raises an UpstreamX refusal where no answer begins."""
    if deployment.kind == "offline":
        return OfflineUpstream(body)
    return await _send(call, deployment, body)


async def _send(call: Call, deployment: Deployment, body: dict[str, Any]) -> Upstream:
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    headers = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "Idempotency-Key": call.billing_ref,
        "traceparent": traceparent_of(call.trace_id),
    }
    if deployment.api_key:
        headers["Authorization"] = f"Bearer {deployment.api_key}"
    if deployment.url is None:
        raise UpstreamRefused("The provider's address is not public.")
    try:
        response = await _post(deployment.url, data, headers)
    except OutgoingRefused as error:
        raise UpstreamRefused(error.message, **error.detail) from error
    except (aiohttp.ClientError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"[:300]
        raise UpstreamUnreachable("The provider could not be reached.", reason=reason) from error
    if response.status != 200:
        raise await _error_of(response)
    return HttpUpstream(response)


async def _post(url: URL, data: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
    session = get_runtime().session
    try:
        return await session.post(url, data=data, headers=headers, allow_redirects=False)
    except aiohttp.ServerDisconnectedError:
        # An idle connection the provider had closed already: not a byte came back. The same
        # idempotency key goes with the second try.
        return await session.post(url, data=data, headers=headers, allow_redirects=False)


async def _error_of(response: aiohttp.ClientResponse) -> UpstreamError:
    """The provider's refusal, with its own error object where it sent one."""
    try:
        async with asyncio.timeout(10):
            raw = await response.content.read(MAX_ERROR)
    except (aiohttp.ClientError, OSError):
        raw = b""
    response.close()
    kept = {name: response.headers[name] for name in _PASSED_ON if name in response.headers}
    error = _error_object(raw)
    message = str(error.get("message") or "The provider refused the call.")[:2_000]
    return UpstreamError(message, status=response.status, error=error, headers=kept)


def _error_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


class HttpUpstream:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def read(self) -> bytes:
        parts = bytearray()
        async for chunk in self._response.content.iter_any():
            parts += chunk
            if len(parts) > MAX_ANSWER:
                raise aiohttp.ClientPayloadError("the answer is too large")
        return bytes(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.content.iter_any():
            yield chunk

    async def close(self) -> None:
        """Back to the pool when everything was read, else closed."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class OfflineUpstream:
    """Speaks OpenAI's form, like any other."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._id = f"chatcmpl-{uuid7().hex}"
        self._created = int(time.time())

    async def read(self) -> bytes:
        text, reason, usage = write_answer(self._body)
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        body = {**self._head("chat.completion"), "choices": [choice], "usage": usage}
        return json.dumps(body, ensure_ascii=False).encode()

    async def chunks(self) -> AsyncIterator[bytes]:
        text, reason, usage = write_answer(self._body)
        yield self._chunk({"role": "assistant", "content": ""})
        for position, word in enumerate(text.split(" ")):
            yield self._chunk({"content": f" {word}" if position else word})
            await asyncio.sleep(WORD_SECONDS)
        yield self._chunk({}, reason)
        yield event_of({**self._head("chat.completion.chunk"), "choices": [], "usage": usage})
        yield DONE

    async def close(self) -> None:
        return None

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return event_of({**self._head("chat.completion.chunk"), "choices": [choice]})

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._body.get("model"),
        }
