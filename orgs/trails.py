"""One id leads to everything that happened under it, in order of time.

Each room says what of it carries a trace id: `register(Source(...))` in its `AppConfig.ready`. A
source gives a queryset of what the reader may see and turns a row into an `Item`; order, pages and
limits are the same for all and live here. A page costs one query a source, however deep it is.

The reader is an `Actor`, or None: an operator in the console, who sees every organization.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Field, IntegerField, Min, Q, QuerySet
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django_stubs_ext import StrOrPromise

from core.listing import InvalidCursor
from orgs.access import Actor, holds
from orgs.models import ApiKey

KEY = "key"

PAGE = 100
MOST = 500
TRACES = 20
"""Traces that one id may lead to."""
HIDDEN = 500
"""Runs under one trace that are hidden from a reader, looked at one by one; with more of them
only what is checked row by row is shown."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that carries a trace id. `cost` in nanos, `ms` how long it took."""

    kind: str
    at: datetime
    id: str
    title: str
    trace_id: str = ""
    state: str = ""
    cost: int | None = None
    ms: int | None = None
    url: str = ""
    """Its page for members, "" where it has none."""
    row: tuple[str, Any] | None = None
    """`("billing_hold", pk)`: where operators find it in the console."""
    organization_id: UUID | None = None
    user_id: UUID | None = None
    api_key_id: UUID | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody typed, read in every way it can be read."""

    text: str
    uuid: UUID | None = None
    number: int | None = None
    kind: str = ""
    """What kind of thing a number counts, where that was said: `ledger 4711`."""
    prefix: str | None = None
    run: UUID | None = None
    """The run in a reference to one of its steps, `run:<run>:<node>:…` or `<run>/<node>`."""


@dataclass(frozen=True, slots=True)
class Clue:
    """An object that an id names, and the trace it lies under."""

    trace_id: str
    kind: str
    title: str
    at: datetime
    organization_id: UUID | None = None
    run: str = ""
    """The run it belongs to, where it names one."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Who reads which traces. `hidden`: public ids of runs that are theirs but not the reader's."""

    actor: Actor | None
    traces: tuple[str, ...]
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of thing. `verb` "" when the rows themselves are narrowed to what is granted.

    `rows(scope)` may name runs only outside `scope.hidden`. `at` is the column of its time.
    `find` answers what an id names.
    """

    kind: str
    label: StrOrPromise
    icon: str
    order: int
    verb: str
    at: str
    rows: Callable[[Scope], QuerySet[Any]]
    show: Callable[[Any], Item]
    find: Callable[[Actor | None, Wanted], Iterable[Clue]] | None = None
    key: Callable[[Scope], QuerySet[Any]] | None = None
    """Those of its rows that name an API key, which is annotated as `acting`."""
    by_key: Callable[[Actor | None, ApiKey], Iterable[Clue]] | None = None
    """The latest traces in which a key acted."""


Cursor = tuple[datetime, int, Any]
"""The last item shown: its time, its source's order, its primary key."""


@dataclass(frozen=True, slots=True)
class Trail:
    items: list[Item]
    next: str = ""
    """Where the next page goes on; "" when this is all."""


_sources: dict[str, Source] = {}
_fence: list[Callable[[Actor, Sequence[str]], Iterable[str]]] = []


def register(source: Source) -> None:
    _sources[source.kind] = source


def hide_by(read: Callable[[Actor, Sequence[str]], Iterable[str]]) -> None:
    """`read(actor, traces)` names the runs under them that the actor must not learn of."""
    _fence[:] = [read]


def sources() -> list[Source]:
    return sorted(_sources.values(), key=lambda source: source.order)


def readable(actor: Actor | None) -> list[Source]:
    """The sources whose verb the reader holds."""
    return [one for one in sources() if actor is None or not one.verb or holds(actor, one.verb)]


def scope_of(actor: Actor | None, traces: Sequence[str]) -> Scope:
    if actor is None or not _fence:
        return Scope(actor, tuple(traces))
    return Scope(actor, tuple(traces), frozenset(_fence[0](actor, traces)))


def read_trail(
    actor: Actor | None,
    traces: Sequence[str],
    kinds: Iterable[str] = (),
    cursor: str = "",
    limit: int = PAGE,
) -> Trail:
    """A page of what lies under `traces` and the reader may see. Raises InvalidCursor."""
    limit, after = max(1, min(limit, MOST)), _decode(cursor)
    wanted, chosen = readable(actor), set(kinds)
    scope = scope_of(actor, traces)
    if len(scope.hidden) > HIDDEN:
        wanted = [source for source in wanted if not source.verb]
    found: list[tuple[Cursor, Item]] = []
    for source in wanted:
        if not chosen or source.kind in chosen:
            found += _page_of(source, scope, after, limit)
    if not chosen or KEY in chosen:
        found += _keys(scope, after)
    found.sort(key=lambda pair: (pair[0][0], pair[0][1], pair[0][2]))
    more = len(found) > limit
    return Trail([item for _, item in found[:limit]], _encode(found[limit - 1][0]) if more else "")


def _page_of(
    source: Source, scope: Scope, after: Cursor | None, limit: int
) -> Iterator[tuple[Cursor, Item]]:
    rows = source.rows(scope)
    if after is not None:
        rows = rows.filter(_behind(source, after, rows.model._meta.pk))
    for row in rows.order_by(source.at, "pk")[: limit + 1]:
        item = source.show(row)
        yield (getattr(row, source.at), source.order, row.pk), item


def _behind(source: Source, after: Cursor, pk_field: Field[Any, Any]) -> Q:
    at, order, pk = after
    if source.order == order and isinstance(pk, int) != isinstance(pk_field, IntegerField):
        raise InvalidCursor("This cursor is none of ours.")
    later = Q(**{f"{source.at}__gt": at})
    if source.order > order:
        return later | Q(**{source.at: at})
    if source.order == order:
        return later | Q(**{source.at: at, "pk__gt": pk})
    return later


def _keys(scope: Scope, after: Cursor | None) -> Iterator[tuple[Cursor, Item]]:
    """The keys that acted, each where it acted first; those the reader may see."""
    first = _first_use(scope)
    rows = ApiKey.objects.all() if scope.actor is None else ApiKey.objects.visible_to(scope.actor)
    for key in rows.filter(pk__in=first):
        place: Cursor = (first[key.pk], 0, key.pk)
        if after is None or place > after:
            yield place, _key_item(key, first[key.pk])


def _key_item(key: ApiKey, at: datetime) -> Item:
    return Item(
        kind=KEY,
        at=at,
        id=str(key.pk),
        title=str(key),
        state=key.state,
        url=reverse("api_key", args=[key.pk]),
        row=("orgs_apikey", key.pk),
        organization_id=key.organization_id,
        user_id=key.created_by_id,
        data={"scopes": key.scopes, "prefix": key.prefix},
    )


def _first_use(scope: Scope) -> dict[UUID, datetime]:
    """Which keys acted under the traces, and since when: one query a source that knows."""
    first: dict[UUID, datetime] = {}
    for source in readable(scope.actor):
        if source.key is None:
            continue
        rows = source.key(scope).values_list("acting").annotate(since=Min(source.at))
        for key_id, since in rows.order_by("since")[:TRACES]:
            first[key_id] = min(since, first.get(key_id, since))
    return first


def _encode(cursor: Cursor) -> str:
    at, order, pk = cursor
    text = json.dumps(
        [at.astimezone(UTC).isoformat(), order, pk if isinstance(pk, int) else str(pk)]
    )
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> Cursor | None:
    if not text:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        when, order, pk = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        at = parse_datetime(when)
        known: Any = pk if _is_number(pk) else UUID(pk)
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError) as error:
        raise InvalidCursor("This cursor is none of ours.") from error
    if at is None or at.tzinfo is None or not _is_number(order):
        raise InvalidCursor("This cursor is none of ours.")
    return at, order, known


def _is_number(pk: Any) -> bool:
    return isinstance(pk, int) and not isinstance(pk, bool) and abs(pk) < 2**63
