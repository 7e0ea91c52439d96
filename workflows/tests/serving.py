"""The whole ASGI application on a real port of this process, for streams."""

from config.asgi import application
from core.tests.servers import uvicorn_serving


def serving():
    """Yields the address, `http://127.0.0.1:port`."""
    return uvicorn_serving(application)


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
