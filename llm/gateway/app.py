"""`/v1` for OpenAI's clients: a bare ASGI application that Django's handler never sees."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from billing.ledger import Replayed
from core.addresses import Address, caller_address, forwarded_in
from core.denials import DENIALS, log_denial
from core.errors import DomainError
from core.ids import uuid7
from core.refusals import require_https
from core.repeats import once
from core.trace import trace_id_from, traceparent_of, tracing
from llm.errors import InvalidRequest, ModelNotFound, ReferenceInUse, StreamBroken
from llm.gateway.authenticate import authenticate
from llm.gateway.pipe import Pipe
from llm.gateway.pipeline import run_call
from llm.gateway.policy import find_model, require_scope
from llm.gateway.protocol import Refusal, encode, error_object, guarding, refusal
from llm.gateway.runtime import get_runtime
from llm.gateway.shapes import Answer, Call, Caller, ModelEntry
from llm.gateway.sse import event_of
from orgs.tokens import prefix_of

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 10 * 1024 * 1024
MAX_REF = 255
JSON = "application/json"


class BodyTooLarge(InvalidRequest):
    code = "request_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class ClientGone(Exception):
    """Nobody is left to answer."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    exchange = Exchange(scope, headers, receive, send)
    with tracing(exchange.trace_id):
        await exchange.run()


class Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers = headers
        self.trace_id = trace_id_from(headers)
        self.caller: Caller | None = None
        self._receive = receive
        self._send = send
        self._started = False

    async def run(self) -> None:
        try:
            await self._dispatch()
        except DomainError as error:
            answer = refusal(error, self.trace_id)
            self._log_denial(error, answer.status)
            await self._refuse(answer)
        except (ClientGone, OSError):
            return
        except Exception:
            logger.exception("gateway request failed")
            body = error_object(
                "Something went wrong on our side.", "server_error", "internal_error", self.trace_id
            )
            await self._refuse(Refusal(500, encode(body)))

    async def _dispatch(self) -> None:
        require_https(self.scope.get("scheme", "http"), self.scope["headers"])
        request = f"{self.scope['method']} {self.scope['path'].rstrip('/')}"
        if fixed := ROUTES.get(request):
            return await fixed(self)
        for start, named in NAMED.items():
            if request.startswith(start):
                return await named(self, request.removeprefix(start))
        message = f"Unknown request URL: {self.scope['method']} {self.scope['path']}."
        body = error_object(message, "invalid_request_error", "unknown_url", self.trace_id)
        return await self._refuse(Refusal(404, encode(body)))

    async def _caller(self) -> Caller:
        authorization = self.headers.get("authorization", "")
        self.caller = await authenticate(authorization, self._address())
        return self.caller

    def _address(self) -> Address | None:
        peer = (self.scope.get("client") or ("",))[0]
        return caller_address(peer, forwarded_in(self.scope["headers"]))

    def _log_denial(self, error: DomainError, status: int) -> None:
        if status not in DENIALS and not isinstance(error, ModelNotFound):
            return
        token = self.headers.get("authorization", "").partition(" ")[2].strip()
        caller, address = self.caller, self._address()
        log_denial(
            status=status,
            code=error.code,
            method=self.scope["method"],
            path=self.scope["path"],
            ip=str(address) if address else None,
            key=str(caller.api_key_id) if caller else "",
            key_prefix=prefix_of(token) or "",
            organization=str(caller.organization_id) if caller else "",
        )

    async def models(self) -> None:
        caller = await self._caller()
        require_scope(caller)
        catalog = await get_runtime().catalogs.get(caller.organization_id)
        rows = [model_object(catalog.models[name]) for name in sorted(catalog.models)]
        await self._respond(200, encode({"object": "list", "data": rows}))

    async def model(self, name: str) -> None:
        caller = await self._caller()
        require_scope(caller)
        catalog = await get_runtime().catalogs.get(caller.organization_id)
        await self._respond(200, encode(model_object(find_model(catalog, name))))

    async def chat(self) -> None:
        caller = await self._caller()
        raw = await self._body()
        pipe = Pipe()
        task = get_runtime().spawn(conduct(self._call(caller, raw), pipe))
        watch = asyncio.ensure_future(self._watch(pipe))
        try:
            await self._pump(pipe, task)
        finally:
            watch.cancel()
            pipe.leave()
            task.add_done_callback(_seen)

    def _call(self, caller: Caller, raw: bytes) -> Call:
        body = read_json(raw)
        ref = self.headers.get("idempotency-key") or str(uuid7())
        if len(ref) > MAX_REF:
            raise InvalidRequest("The Idempotency-Key is too long.", param="Idempotency-Key")
        stream = body.get("stream")
        if stream is not None and not isinstance(stream, bool):
            raise InvalidRequest("'stream' must be a boolean.", param="stream")
        return Call(
            caller=caller,
            body=body,
            billing_ref=ref,
            request_hash=hashlib.sha256(raw).hexdigest(),
            trace_id=self.trace_id,
            stream=bool(stream),
        )

    async def _pump(self, pipe: Pipe, task: asyncio.Task[Answer | Replayed]) -> None:
        """Send what comes; the first piece decides whether this is a stream at all."""
        while (piece := await pipe.get()) is not None:
            if not self._started:
                await self._start(
                    200, "text/event-stream; charset=utf-8", {"cache-control": "no-store"}
                )
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if pipe.gone:
            raise ClientGone
        await self._finish(await asyncio.shield(task) if not self._started else await _quiet(task))

    async def _finish(self, outcome: Answer | Replayed | DomainError) -> None:
        if isinstance(outcome, StreamBroken) and not outcome.detail["told"]:
            body = error_object(outcome.message, "server_error", outcome.code, self.trace_id)
            await self._send(
                {"type": "http.response.body", "body": event_of(body), "more_body": True}
            )
        if self._started:
            await self._send({"type": "http.response.body", "body": b""})
        elif isinstance(outcome, Answer):
            await self._respond(200, outcome.body)
        else:
            raise ReferenceInUse("This reference was already used.", reason="already_used")

    async def _watch(self, pipe: Pipe) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        pipe.leave()

    async def _body(self) -> bytes:
        if int(self.headers.get("content-length") or 0) > MAX_BODY:
            raise BodyTooLarge("The request is larger than 10 MB.")
        parts = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts += message.get("body", b"")
            if len(parts) > MAX_BODY:
                raise BodyTooLarge("The request is larger than 10 MB.")
            if not message.get("more_body"):
                return bytes(parts)

    async def _refuse(self, answer: Refusal) -> None:
        if not self._started:
            await self._respond(answer.status, answer.body, answer.headers)

    async def _respond(
        self, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        await self._start(status, JSON, {**(headers or {}), "content-length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body})

    async def _start(self, status: int, content_type: str, headers: dict[str, str]) -> None:
        self._started = True
        told = {
            "content-type": content_type,
            "x-request-id": self.trace_id,
            "traceparent": traceparent_of(self.trace_id),
            **guarding(),
            **headers,
        }
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]
        await self._send({"type": "http.response.start", "status": int(status), "headers": raw})


ROUTES: Final = {"POST /v1/chat/completions": Exchange.chat, "GET /v1/models": Exchange.models}
NAMED: Final = {"GET /v1/models/": Exchange.model}
"""All that is served here; `tests/matrix` reads both. What follows the latter is a name."""


async def conduct(call: Call, pipe: Pipe) -> Answer | Replayed:
    """The call in its own task: it closes the pipe when it ends, however it ends."""
    try:
        return await run_call(call, pipe)
    finally:
        await pipe.close()


async def _quiet(task: asyncio.Task[Answer | Replayed]) -> Answer | Replayed | DomainError:
    """How a started stream ended; its refusal can only be told inside it."""
    try:
        return await asyncio.shield(task)
    except DomainError as error:
        return error


def read_json(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("We could not parse the JSON body of your request.") from error
    if not isinstance(body, dict):
        raise InvalidRequest("The body of your request must be a JSON object.")
    if b"\\ud" in raw.lower() and not is_text(body):
        raise InvalidRequest("The body of your request contains half a character.")
    return body


def is_text(body: dict[str, Any]) -> bool:
    """Whether the body can be written as UTF-8: JSON's escapes can name lone surrogates."""
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def model_object(entry: ModelEntry) -> dict[str, Any]:
    return {
        "id": entry.name,
        "object": "model",
        "created": entry.created,
        "owned_by": entry.deployment.provider_name,
    }


def _seen(task: asyncio.Task[Any]) -> None:
    """Take note of how a call ended that nobody waits for any more."""
    if not task.cancelled() and (error := task.exception()) and not isinstance(error, DomainError):
        logger.error("abandoned model call failed", exc_info=error)
