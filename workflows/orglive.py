"""What happens to the runs of an organization, as server-sent events.

Events are numbered by the database when they are written, not when they are committed: a lower
number may appear after a higher one. `id:` is therefore a horizon, not the number of the event: no
event up to it can appear any more. Who comes back with it gets all that came after, and may get
what was under way at that moment twice; an event names its run and number, so repeating is
harmless.

On PostgreSQL the horizon is the highest number read at a moment of which all transactions have
ended since: those that were open then had lower ids than the next one to be given. On SQLite there
is one writer, and the order of numbers is that of commits.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection
from django.utils.timezone import now

from core.bus import Inbox
from orgs.actor import Actor, holds, opens_every_project
from orgs.models import Project
from orgs.watch import Standing, standing_of
from workflows.feeds import Feed, Piece, frame, watching
from workflows.models import Event, Workflow
from workflows.runtime.channels import organization_channel

POLL_SECONDS = 1.0
"""How late a change is seen of which the bus says nothing."""
PAUSE_SECONDS = 0.1
"""Between two reads, however much happens."""
BATCH = 500
REPLAYED = 2_000
"""Events that are told again to who comes back; after more, `reset` says to read the list anew."""
SETTLED_SECONDS = 1.0
"""What a transaction may take from drawing a number to having an id of its own."""
LONG_SECONDS = 60.0
MARKS = 1_000
NUMBERS = 50_000
"""Numbers above the horizon that one look compares with those told."""
YOUNG = timedelta(seconds=10)
SIGHT_SECONDS = 5.0
"""How old may be what a watcher is known to see, where not every project is open to them."""
FIELDS = ("id", "kind", "seq", "at", "run__public_id", "run__workflow_id", "run__state")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """Rows, and ids of transactions around their reading; both 0 where commits come in order.

    Those below `floor` had ended before; `ceiling` was the next id to be given after.
    """

    rows: list[Row]
    floor: int
    ceiling: int


class Horizon:
    """The number up to which nothing can appear any more.

    A transaction that writes for longer than `LONG_SECONDS` is not waited for: none of ours does.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._marks: deque[tuple[int, int, float]] = deque()

    def move(self, look: Look, highest: int) -> None:
        """After the rows of `look`, `highest` the highest number ever read, were told."""
        if look.ceiling == 0:
            self.number = max(self.number, highest)
            return
        at = time.monotonic()
        while self._marks:
            ceiling, number, marked = self._marks[0]
            settled = ceiling <= look.floor and at - marked >= SETTLED_SECONDS
            if not settled and at - marked < LONG_SECONDS:
                break
            self.number = max(self.number, number)
            self._marks.popleft()
        if highest > (self._marks[-1][1] if self._marks else self.number):
            if len(self._marks) >= MARKS:  # the last one stands for more, and settles later
                self._marks.pop()
            self._marks.append((look.ceiling, highest, at))


class OrganizationFeed(Feed):
    """Changes of runs of one organization."""

    def __init__(self, organization_id: UUID) -> None:
        super().__init__(organization_channel(organization_id))
        self._organization_id = organization_id
        self.horizon: Horizon | None = None
        self.sights: dict[Standing, Sight] = {}
        self._restricted = True
        self._restricted_at = float("-inf")
        self._told: set[int] = set()
        self._highest = 0

    async def follow(self, inbox: Inbox) -> bool:
        if self.horizon is None:
            begin = await _begin(self._organization_id)
            self._highest = begin
            self.horizon = Horizon(begin)
        look = await _look(self._organization_id, self.horizon.number, BATCH, self._told)
        for row in look.rows:
            self._told.add(row["id"])
            self._highest = max(self._highest, row["id"])
            self.tell(_piece(row, self.horizon.number))
        self.horizon.move(look, self._highest)
        self._told = {number for number in self._told if number > self.horizon.number}
        if len(look.rows) < BATCH:
            await inbox.next(POLL_SECONDS)
        await asyncio.sleep(PAUSE_SECONDS)
        while await inbox.next(0) is not None:
            pass  # hints that came meanwhile say the same
        return False

    @property
    def safe(self) -> int:
        """A number to come back with; 0 before the first look."""
        return self.horizon.number if self.horizon else 0

    async def restricted(self) -> bool:
        """Whether the organization keeps any project from its members."""
        if time.monotonic() - self._restricted_at > SIGHT_SECONDS:
            self._restricted_at = time.monotonic()
            self._restricted = await _any_restricted(self._organization_id)
        return self._restricted

    def sight_of(self, actor: Actor) -> Sight:
        """One for all streams of the same person or key."""
        return self.sights.setdefault(standing_of(actor), Sight(actor, self))


def _piece(row: Row, horizon: int) -> Piece:
    data = {
        "run": str(row["run__public_id"]),
        "workflow": str(row["run__workflow_id"]),
        "state": row["run__state"],
        "kind": row["kind"],
        "seq": row["seq"],
        "at": row["at"].isoformat(),
    }
    return Piece(frame("run", data, horizon), row["id"], row["run__workflow_id"])


class Sight:
    """The workflows whose runs an actor may see, at most `SIGHT_SECONDS` old."""

    def __init__(self, actor: Actor, feed: OrganizationFeed) -> None:
        self._actor = actor
        self._feed = feed
        self._everything = holds(actor, "run.view") and opens_every_project(actor)
        self._by_role = holds(actor, "run.view") and actor.scopes is None
        self._seen: set[UUID] = set()
        self._read_at = float("-inf")

    async def sees(self, workflow_id: UUID | None) -> bool:
        """None is about no run: everybody sees it."""
        if workflow_id is None or self._everything:
            return True
        if self._by_role and not await self._feed.restricted():
            return True
        if time.monotonic() - self._read_at > SIGHT_SECONDS:
            self._seen = await _visible(self._actor)
            self._read_at = time.monotonic()
        return workflow_id in self._seen


async def follow_organization(actor: Actor, after: int | None) -> AsyncIterator[str]:
    """Frames of what happens to runs that the actor may see; with `after`, from there on."""
    yield "retry: 1000\n\n"
    key = "organization", actor.organization_id
    make = partial(OrganizationFeed, actor.organization_id)
    async with watching(key, make) as (feed, watcher):
        sight = feed.sight_of(actor)
        while True:
            missed, after = await _missed(actor.organization_id, after)
            for piece in missed:
                if await sight.sees(piece.about):
                    yield piece.text
            told = {piece.number for piece in missed}
            async for piece in watcher.pieces():
                if piece.number not in told and await sight.sees(piece.about):
                    yield piece.text
                after = max(after, feed.safe)


async def _missed(organization_id: UUID, after: int | None) -> tuple[list[Piece], int]:
    """What is told before the feed is followed, and the number that is safe to come back with."""
    word = "open"
    if after is not None:
        look = await _look(organization_id, after, REPLAYED + 1)
        if len(look.rows) <= REPLAYED:
            return [_piece(row, after) for row in look.rows], after
        word = "reset"
    begin = await _begin(organization_id)
    return [Piece(frame(word, {}, begin))], begin


@sync_to_async
def _any_restricted(organization_id: UUID) -> bool:
    try:
        return Project.objects.of(organization_id).filter(restricted=True).exists()
    finally:
        close_old_connections()


@sync_to_async
def _visible(actor: Actor) -> set[UUID]:
    try:
        rows = Workflow.objects.visible_to(actor, "run.view").order_by()
        return set(rows.values_list("pk", flat=True))
    finally:
        close_old_connections()


def _events(organization_id: UUID) -> Any:
    return Event.objects.filter(organization_id=organization_id, kind__startswith="run.")


@sync_to_async
def _begin(organization_id: UUID) -> int:
    """A number below which nothing appears any more: what is older than a transaction lasts."""
    try:
        old = _events(organization_id).filter(at__lt=now() - YOUNG).order_by("-id")
        return int(old.values_list("id", flat=True).first() or 0)
    finally:
        close_old_connections()


@sync_to_async
def _look(
    organization_id: UUID, after: int, most: int, told: Collection[int] = frozenset()
) -> Look:
    """Up to `most` events after that number, without those told."""
    try:
        ordered = connection.vendor != "postgresql"
        floor = 0 if ordered else _transactions("xmin")
        rows = _events(organization_id).filter(id__gt=after).order_by("id")
        numbers = rows.values_list("id", flat=True)[: NUMBERS if told else most]
        new = [number for number in numbers if number not in told][:most]
        found = list(rows.filter(id__in=new).values(*FIELDS)) if new else []
        return Look(found, floor, 0 if ordered else _transactions("xmax"))
    finally:
        close_old_connections()


def _transactions(edge: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_snapshot_{edge}(pg_current_snapshot())::text::bigint")  # nosec B608
        found: int = cursor.fetchone()[0]
    return found
