"""What `bench.gateway` measures, one process each: a fast provider, a bare relay, the product.

python -m bench.gateway_servers provider|bare|gateway PORT [PROVIDER_PORT]
"""

import asyncio
import json
import sys
from typing import Any

import aiohttp
import uvicorn
import uvloop

WORDS = 20
USAGE = {"prompt_tokens": 12, "completion_tokens": WORDS, "total_tokens": 12 + WORDS}
HEAD = {"id": "chatcmpl-bench", "created": 1, "model": "bench"}


def _answer() -> bytes:
    message = {"role": "assistant", "content": "word " * WORDS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE})
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def _stream() -> bytes:
    deltas: list[tuple[dict[str, str], str | None]] = [({"content": "word "}, None)] * WORDS
    events = [
        {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in [*deltas, ({}, "stop")]
    ]
    lines = [json.dumps(event) for event in [*events, {**HEAD, "choices": [], "usage": USAGE}]]
    pieces = [f"data: {line}\n\n".encode() for line in [*lines, "[DONE]"]]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return head + chunks + b"0\r\n\r\n"


class Provider(asyncio.Protocol):
    """Answers every POST at once from memory; one request at a time on a connection."""

    plain, streamed = _answer(), _stream()
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.seen = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, gap, body = self.seen.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if gap and len(body) >= int(length or 0):
            self.seen = b""
            self.transport.write(self.streamed if b'"stream":true' in body else self.plain)


async def _provide(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
    await server.serve_forever()


class Bare:
    """A relay that does nothing else: the same server, the same client, no key and no money."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        async with self.session.post(self.url, data=body) as answer:
            kept = ("content-type", "content-length")
            headers = [
                (k.lower().encode(), v.encode())
                for k, v in answer.headers.items()
                if k.lower() in kept
            ]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def serve(app: Any, port: int) -> None:
    uvicorn.run(app, port=port, log_config=None, access_log=False, lifespan="off", loop="uvloop")


def main() -> None:
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "provider":
        uvloop.run(_provide(port))
    elif kind == "bare":
        serve(Bare(f"http://127.0.0.1:{sys.argv[3]}/v1/chat/completions"), port)
    else:
        import django  # noqa: PLC0415 - the settings are in the environment of this process

        django.setup()
        from llm.gateway.app import application  # noqa: PLC0415

        serve(application, port)


if __name__ == "__main__":
    main()
