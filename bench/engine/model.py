"""A provider in OpenAI's form that thinks for a while: `python -m bench.engine.model PORT SECONDS`.

`GET /most` answers how many calls were under way at once, at most.
"""

import asyncio
import json
import sys
from typing import Any

WORDS = 20
USAGE = {"prompt_tokens": 12, "completion_tokens": WORDS, "total_tokens": 12 + WORDS}
HEAD = {"id": "chatcmpl-bench", "created": 1, "model": "bench"}


def _plain() -> bytes:
    message = {"role": "assistant", "content": "word " * WORDS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    return answer(json.dumps(body))


def answer(body: str) -> bytes:
    kind = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    return f"{kind}content-length: {len(body)}\r\n\r\n{body}".encode()


def _streamed() -> bytes:
    says: list[tuple[dict[str, str], str | None]] = [({"content": "word "}, None)] * WORDS
    bodies: list[dict[str, Any]] = [
        {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in [*says, ({}, "stop")]
    ]
    bodies.append({**HEAD, "choices": [], "usage": USAGE})
    lines = [f"data: {text}\n\n".encode() for text in [*map(json.dumps, bodies), "[DONE]"]]
    kind = b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in lines)
    return b"HTTP/1.1 200 OK\r\n" + kind + chunks + b"0\r\n\r\n"


class Model:
    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.most = seconds, 0, 0
        self.plain, self.streamed = _plain(), _streamed()

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self.connected, "127.0.0.1", port, backlog=2048)
        await server.serve_forever()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
                body = await reader.readexactly(int(length or 0))
                writer.write(await self.think(body) if head.startswith(b"post") else self.told())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def think(self, body: bytes) -> bytes:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.seconds)
        self.now -= 1
        return self.streamed if json.loads(body).get("stream") else self.plain

    def told(self) -> bytes:
        return answer(json.dumps({"most": self.most}))


if __name__ == "__main__":
    asyncio.run(Model(float(sys.argv[2])).serve(int(sys.argv[1])))
