"""The whole ASGI application on a real port of this process, for streams."""

import contextlib
import socket
import threading
import time

import uvicorn

from config.asgi import application


@contextlib.contextmanager
def serving():
    """Yields the address, `http://127.0.0.1:port`."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, log_config=None, lifespan="off", access_log=False)
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


def frames(lines):
    """Parse `text/event-stream` lines: a list of {"id", "event", "data"} as far as they go."""
    found, current = [], {}
    for line in lines:
        if line == "":
            if "data" in current:
                found.append(current)
            current = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            current[name] = value
    return found
