"""`/hooks/` as a bare ASGI application: no middleware, so nobody who waits holds a thread.

What the middleware does for other doors is done here: a trace id and an origin for whatever is
written, a bound on the body, and headers that name the trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import HttpResponse

from core.denials import HIDDEN, log_denial, noted_denial
from core.origin import bind_origin, origin_of, unbind_origin
from core.trace import trace_id_from, traceparent_of, tracing
from workflows.triggers.deliveries import MAX_BODY
from workflows.triggers.hook import answer, waiting_with

PREFIX = "/hooks/"
THREADS = 8
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class CallerGone(Exception):
    """Nobody is left to answer."""


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="hooks")


async def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    """`work` on one of our few threads, with the trace and origin that are in force here."""
    context = copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(), lambda: context.run(_closing, work, *args))


def _closing(work: Callable[..., Any], *args: Any) -> Any:
    try:
        return work(*args)
    finally:
        close_old_connections()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        body = await _read(receive)
    except CallerGone:
        return
    request = ASGIRequest(dict(scope), BytesIO(body))
    trace_id = trace_id_from({name.lower(): value for name, value in request.headers.items()})
    token = scope["path"].removeprefix(PREFIX).removesuffix("/")
    with tracing(trace_id):
        origin = bind_origin(origin_of(request))
        try:
            response = await _answer_or_leave(request, token, receive)
        finally:
            unbind_origin(origin)
    if response is not None:
        _log_denial(request, response)
        await _send(response, trace_id, send)


def _log_denial(request: ASGIRequest, response: HttpResponse) -> None:
    """Without the address: whoever reads logs must not learn a token."""
    if (noted := noted_denial(request)) is not None:
        ip, method = origin_of(request).ip, str(request.method)
        path = f"{PREFIX}{HIDDEN}/"
        log_denial(status=response.status_code, code=noted[0], method=method, path=path, ip=ip)


async def _read(receive: Receive) -> bytes:
    """The body, or as much of it as shows that it is too large."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        part: bytes = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BODY or not message.get("more_body", False):
            return b"".join(parts)[: MAX_BODY + 1]


async def _answer_or_leave(
    request: ASGIRequest, token: str, receive: Receive
) -> HttpResponse | None:
    """None when the caller hung up while waiting; the run goes on all the same."""
    answering = asyncio.ensure_future(answer(request, token, in_thread, waiting_with(in_thread)))
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return answering.result() if answering.done() else None
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(response: HttpResponse, trace_id: str, send: Send) -> None:
    headers = dict(response.headers) | {
        "Content-Length": str(len(response.content)),
        "X-Request-ID": trace_id,
        "traceparent": traceparent_of(trace_id),
    }
    raw = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    start = {"type": "http.response.start", "status": response.status_code, "headers": raw}
    await send(start)
    await send({"type": "http.response.body", "body": response.content})
