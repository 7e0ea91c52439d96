"""The gateway as clients meet it: `/v1` served by uvicorn on a thread."""

from core.tests.servers import uvicorn_serving
from llm.gateway.app import application
from llm.gateway.runtime import close_gateway


async def with_lifespan(scope, receive, send):
    if scope["type"] != "lifespan":
        await application(scope, receive, send)
        return
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await close_gateway()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def gateway():
    """Yields the address, `http://127.0.0.1:port`; everything is settled when it ends."""
    return uvicorn_serving(with_lifespan, lifespan="on")
