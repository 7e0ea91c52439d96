"""A run as server-sent events: what is stored first, then what happens, without a gap.

Wire format: WHATWG server-sent events. `id:` is the event's number within the run, so a client
that comes back with `Last-Event-ID` misses nothing and sees nothing twice. Text under way comes as
`delta` events without an id: it is not history, and is stored with the node that ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from core.bus import Inbox
from workflows.feeds import OVER, Feed, Piece, frame, watching
from workflows.models import Event, Run
from workflows.runtime.channels import channel_of

POLL_SECONDS = 5.0
"""How long a silent bus is trusted before the database is asked again."""
BATCH = 500


class RunFeed(Feed):
    """Events of one run from `after` + 1 on."""

    def __init__(self, run: Run, after: int) -> None:
        super().__init__(channel_of(run.public_id))
        self._run_pk = run.pk
        self._after = after

    async def follow(self, inbox: Inbox) -> bool:
        over, events = await _events(self._run_pk, self._after)
        for event in events:
            self._after = event["seq"]
            self.tell(Piece(frame(event["kind"], event, self._after), self._after))
        if len(events) == BATCH:
            return False
        if not over:
            await self._until_more(inbox)
        return over

    async def _until_more(self, inbox: Inbox) -> None:
        """Until the bus speaks of a later event, or has been silent long; passes on live text."""
        while (message := await inbox.next(POLL_SECONDS)) is not None:
            if "seq" not in message:
                self.tell(Piece(frame("delta", message)))
            elif message["seq"] > self._after:
                return


async def follow_run(run: Run, after: int) -> AsyncIterator[str]:
    """Frames of `run` from event `after` + 1 until the run ends."""
    yield "retry: 1000\n\n"
    async with watching(("run", run.pk), lambda: RunFeed(run, run.seq)) as (_feed, watcher):
        while True:
            over, events = await _events(run.pk, after)
            for event in events:
                after = event["seq"]
                yield frame(event["kind"], event, after)
            if len(events) == BATCH:
                continue
            if over:
                return
            async for piece in watcher.pieces():
                if piece is OVER:
                    return
                if piece.number is None or piece.number > after:
                    after = piece.number or after
                    yield piece.text


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
