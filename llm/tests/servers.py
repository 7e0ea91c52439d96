"""The gateway as clients meet it: `/v1` served by uvicorn on a thread."""

import contextlib
import socket
import threading
import time

import uvicorn

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


@contextlib.contextmanager
def gateway():
    """Yields the address, `http://127.0.0.1:port`; everything is settled when it ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(with_lifespan, log_config=None, lifespan="on", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)
        listener.close()
        assert not thread.is_alive()
