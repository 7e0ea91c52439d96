"""A run as server-sent events: what is stored first, then what happens, without a gap.

Wire format: WHATWG server-sent events. `id:` is the event's number within the run, so a client
that comes back with `Last-Event-ID` misses nothing and sees nothing twice. Text under way comes as
`delta` events without an id: it is not history, and is stored with the node that ends.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from core.bus import Inbox, get_bus
from workflows.models import Event, Run
from workflows.runtime.channels import channel_of

POLL_SECONDS = 5.0
"""How long a silent bus is trusted before the database is asked again."""
BATCH = 500


def frame(event: str, data: Any, number: int | None = None) -> str:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def follow_run(run: Run, after: int) -> AsyncIterator[str]:
    """Frames of `run` from event `after` + 1 until the run ends."""
    yield "retry: 1000\n\n"
    async with get_bus().listen(channel_of(run.public_id)) as inbox:
        while True:
            over, events = await _events(run.pk, after)
            for event in events:
                after = event["seq"]
                yield frame(event["kind"], event, after)
            if len(events) == BATCH:
                continue
            if over:
                return
            async for text in _until_more(inbox, after):
                yield text


async def _until_more(inbox: Inbox, after: int) -> AsyncIterator[str]:
    """Text under way, until the bus speaks of an event after `after` or has been silent long."""
    while (message := await inbox.next(POLL_SECONDS)) is not None:
        if "seq" not in message:
            yield frame("delta", message)
        elif message["seq"] > after:
            return
    yield ": still here\n\n"


def event_body(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "kind": event.kind,
        "node_id": event.node_id,
        "at": event.at.isoformat(),
        "data": event.data,
    }


@sync_to_async
def _events(run_pk: int, after: int) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the run is over, then what came after: in this order no last word is missed."""
    try:
        over = not Run.objects.unfinished().filter(pk=run_pk).exists()
        events = Event.objects.filter(run_id=run_pk, seq__gt=after).order_by("seq")
        return over, [event_body(event) for event in events[:BATCH]]
    finally:
        close_old_connections()
