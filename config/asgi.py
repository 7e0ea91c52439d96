"""The ASGI entrance: `/v1` goes to the gateway, `/hooks/` to the webhooks, the rest to Django.

With EMBEDDED_WORKER=1 the process also runs the worker and the beat as threads.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from config.embedded import start_embedded_worker, stop_embedded_worker  # noqa: E402
from llm.gateway.app import application as gateway_application  # noqa: E402
from llm.gateway.runtime import close_gateway  # noqa: E402
from orgs.uses import flush_uses  # noqa: E402
from workflows.triggers.app import PREFIX as HOOKS  # noqa: E402
from workflows.triggers.app import application as hook_application  # noqa: E402

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http" and _is_gateway(scope["path"]):
        await gateway_application(scope, receive, send)
    elif scope["type"] == "http" and scope["path"].startswith(HOOKS):
        await hook_application(scope, receive, send)
    else:
        await django_application(scope, receive, send)


def _is_gateway(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


async def _live(receive: Receive, send: Send) -> None:
    """Start the embedded worker with the server; let worker and gateway settle before it goes."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            # Beside the loop: Celery closes database connections as it starts.
            await asyncio.to_thread(start_embedded_worker)
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await asyncio.to_thread(stop_embedded_worker)
            await close_gateway()
            await asyncio.to_thread(flush_uses)
            await send({"type": "lifespan.shutdown.complete"})
            return
