"""A provider for tests: a real HTTP server whose model name says how it behaves.

`faults` are words in the request's last message: plain answers and streams of `WORDS`, with usage
11 prompt and 7 completion tokens.
"""

import asyncio
import json

from aiohttp import web

from core.tests.servers import LocalServer

WORDS = ["Hel", "lo ", "from ", "the ", "other ", "side", "."]
TEXT = "".join(WORDS)
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
COST = 11 * 1_000 + 7 * 2_000


def provider():
    return LocalServer(answer)


async def answer(request):
    if request.path.endswith("/models"):
        return web.json_response(
            {"object": "list", "data": [{"id": "upstream-test", "object": "model"}]}
        )
    body = json.loads(await request.read())
    fault = str(body["messages"][-1]["content"])
    if fault.startswith("status-"):
        error = {"message": f"says {fault}", "type": "server_error", "param": None, "code": "oops"}
        return web.json_response(
            {"error": error}, status=int(fault[7:]), headers={"retry-after": "7"}
        )
    if fault == "not-json":
        return web.Response(body=b"<html>oops</html>", content_type="text/html")
    if fault == "hang-up":
        request.transport.close()
        return web.Response()
    if fault == "slow":
        await asyncio.sleep(0.4)
    if body.get("stream"):
        return await stream(request, body, fault)
    usage = {} if fault == "no-usage" else {"usage": USAGE}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": TEXT},
        "finish_reason": "stop",
    }
    return web.json_response(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            **usage,
        }
    )


async def stream(request, body, fault):
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    if fault == "cut-at-once":
        request.transport.close()
        return response
    for number, word in enumerate(WORDS):
        if fault == "cut" and number == 4:
            request.transport.close()
            return response
        if fault == "error-event" and number == 4:
            await send(response, {"error": {"message": "overloaded", "type": "server_error"}})
            await response.write(b"data: [DONE]\n\n")
            return response
        await send(response, chunk({"content": word}))
        await asyncio.sleep(0.03 if fault == "paced" else 0)
    await send(response, chunk({}, "stop"))
    if fault != "no-usage" and (body.get("stream_options") or {}).get("include_usage"):
        await send(response, {**chunk({}), "choices": [], "usage": USAGE})
    await response.write(b"data: [DONE]\n\n")
    return response


def chunk(delta, reason=None):
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "upstream-test",
        "choices": [choice],
    }


async def send(response, data):
    await response.write(b"data: " + json.dumps(data).encode() + b"\n\n")
