"""Ends a stream once whoever holds it open may no longer: a key, a member, an operator's stay.

All streams of an event loop share one look: however many are open, the database is asked for keys
at most every `FRESH_SECONDS`, for people at most every `PEOPLE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections
from django.utils.timezone import now

from orgs.actor import Actor, opens_every_project
from orgs.models import ApiKey, Membership, SupportAccess

logger = logging.getLogger(__name__)
FRESH_SECONDS = 0.4
"""A stream ends well within a second of its key."""
PEOPLE_SECONDS = 3.0
PORTION = 500
Standing = tuple[str, Any]
"""What must go on being true: ("key", id), ("stay", id), ("member", (organization, person, role)),
or ("row", (actor, verb, model, id)): that the actor sees it.
"""


def standing_of(actor: Actor) -> Standing:
    if actor.api_key_id is not None:
        return "key", actor.api_key_id
    if actor.support_id is not None:
        return "stay", actor.support_id
    return "member", (actor.organization_id, actor.user_id, actor.role)


def standings_of(actor: Actor, row: Any = None, verb: str = "") -> list[Standing]:
    found = [standing_of(actor)]
    if row is not None and not opens_every_project(actor):
        found.append(("row", (actor, verb, type(row), row.pk)))
    return found


class Watch:
    """What holds streams of one event loop open; each stream waits for a future of its own."""

    def __init__(self) -> None:
        self._open: dict[Standing, set[asyncio.Future[None]]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, standings: Iterable[Standing]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        for standing in standings:
            self._open.setdefault(standing, set()).add(ended)
        if self._task is None:
            self._task = loop.create_task(self._look())
        return ended

    def drop(self, standings: Iterable[Standing], ended: asyncio.Future[None]) -> None:
        for standing in standings:
            waiting = self._open[standing]
            waiting.discard(ended)
            if not waiting:
                del self._open[standing]
        if not self._open and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _look(self) -> None:
        people_at = 0.0
        while True:
            await asyncio.sleep(FRESH_SECONDS)
            asked = {standing for standing in self._open if standing[0] == "key"}
            if time.monotonic() - people_at >= PEOPLE_SECONDS:
                people_at = time.monotonic()
                asked = set(self._open)
            try:
                live = await _read_live(asked) if asked else asked
            except DatabaseError:
                logger.warning("Who may still watch could not be read; trying again.")
                continue
            for standing in asked - live:
                for ended in self._open.get(standing, ()):
                    if not ended.done():
                        ended.set_result(None)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


async def while_allowed(
    actor: Actor, frames: AsyncIterator[str], row: Any = None, verb: str = ""
) -> AsyncIterator[str]:
    """`frames`, until they end, or the actor's key, membership, role or stay does.

    With a `row`, also until the actor may no longer do `verb` to it.
    """
    watch = _watches.setdefault(asyncio.get_running_loop(), Watch())
    standings = standings_of(actor, row, verb)
    ended = watch.add(standings)
    upcoming = asyncio.ensure_future(anext(frames))
    try:
        while True:
            first: set[asyncio.Future[Any]] = {upcoming, ended}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return
            try:
                piece = upcoming.result()
            except StopAsyncIteration:
                return
            yield piece
            upcoming = asyncio.ensure_future(anext(frames))
    finally:
        watch.drop(standings, ended)
        upcoming.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await upcoming
        await frames.aclose()  # type: ignore[attr-defined]  # a generator


@sync_to_async
def _read_live(asked: set[Standing]) -> set[Standing]:
    try:
        found: set[Standing] = set()
        for some in _portions([name for kind, name in asked if kind == "key"]):
            found |= {("key", pk) for pk in _live_keys(some)}
        for some in _portions([name for kind, name in asked if kind == "stay"]):
            found |= {("stay", pk) for pk in _live_stays(some)}
        for some in _portions([name for kind, name in asked if kind == "member"]):
            found |= {("member", name) for name in _live_members(some)}
        found |= {("row", name) for kind, name in asked if kind == "row" and _seen(*name)}
        return found
    finally:
        close_old_connections()


def _seen(actor: Actor, verb: str, model: Any, pk: Any) -> bool:
    rows: Any = model._default_manager.visible_to(actor, verb)
    return bool(rows.filter(pk=pk).exists())


def _portions(names: list[Any]) -> list[list[Any]]:
    return [names[begin : begin + PORTION] for begin in range(0, len(names), PORTION)]


def _live_keys(ids: list[UUID]) -> set[UUID]:
    return set(ApiKey.objects.live(now()).filter(pk__in=ids).values_list("pk", flat=True))


def _live_stays(ids: list[UUID]) -> set[UUID]:
    running = SupportAccess.objects.running(now()).filter(pk__in=ids)
    active = running.filter(operator__is_active=True, operator__is_staff=True)
    return set(active.values_list("pk", flat=True))


def _live_members(names: list[tuple[UUID, UUID | None, str]]) -> set[tuple[UUID, UUID | None, str]]:
    rows = Membership.objects.filter(
        organization__in={name[0] for name in names}, user__in={name[1] for name in names}
    )
    rows = rows.filter(user__is_active=True)
    return {*names} & set(rows.values_list("organization_id", "user_id", "role"))
