"""Finding entries: one set of filters for the API, the page, the export and the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import is_naive, make_aware

from audit.models import Entry, EntryQuerySet
from core.errors import InvalidInput
from core.jsonsafe import is_storable
from core.origin import plain_address

NAMES = (
    "since", "until", "event", "category", "outcome", "actor_kind", "actor_id", "api_key_id",
    "project_id", "target_type", "target_id", "ip", "trace_id", "q",
)  # fmt: skip
ALIASES = {"action": "event"}
"""What earlier clients call it."""
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Filters:
    """What the trail is narrowed by; everything must hold.

    `event` is exact, or the start of names when it ends in `.` or `*`. `q` is looked for in the
    summary, whatever its case. `since` is included, `until` is not; both are aware.
    """

    since: datetime | None = None
    until: datetime | None = None
    event: str = ""
    category: str = ""
    outcome: str = ""
    actor_kind: str = ""
    actor_id: UUID | None = None
    api_key_id: UUID | None = None
    project_id: UUID | None = None
    target_type: str = ""
    target_id: str = ""
    ip: str = ""
    trace_id: str = ""
    q: str = ""

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """From a query or a stored JSON object; empty values count as absent.

        Raises InvalidInput, naming the field.
        """
        values: dict[str, Any] = {}
        for name, raw in given.items():
            text = str(raw).strip() if raw is not None else ""
            if text:
                field = ALIASES.get(name, name)
                values[field] = _parsed(field, text)
        return cls(**values)

    def as_json(self) -> dict[str, str]:
        """What was asked for, in the form that `read` takes."""
        given = {name: getattr(self, name) for name in NAMES}
        return {
            name: value.isoformat() if isinstance(value, datetime) else str(value)
            for name, value in given.items()
            if value
        }


def _parsed(name: str, text: str) -> Any:
    if name not in NAMES:
        raise InvalidInput("There is no such filter.", field=name, known=list(NAMES))
    if len(text) > LONGEST or not is_storable(text):
        raise InvalidInput("A filter is a short, plain text.", field=name)
    value = _READERS[name](text) if name in _READERS else text
    if value is None:
        raise InvalidInput("This filter cannot be read.", field=name)
    return value


def _moment(text: str, *, end: bool) -> datetime | None:
    """A moment, or a day: its start, and as an end the start of the next (UTC)."""
    try:
        if day := parse_date(text):
            return datetime.combine(day + timedelta(days=end), time.min, UTC)
        moment = parse_datetime(re.sub(r" (\d\d:\d\d)$", r"+\1", text))  # a `+` lost in a query
        if moment is None:
            return None
        return make_aware(moment, UTC) if is_naive(moment) else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


_READERS: dict[str, Callable[[str], Any]] = {
    "since": partial(_moment, end=False),
    "until": partial(_moment, end=True),
    "actor_id": _uuid,
    "api_key_id": _uuid,
    "project_id": _uuid,
    "ip": plain_address,
    "outcome": lambda text: text if text in Entry.Outcome.values else None,
    "actor_kind": lambda text: text if text in Entry.ActorKind.values else None,
}
"""How a filter that is more than a text is read; None: it cannot be."""

_EXACT = (
    "category", "outcome", "actor_kind", "actor_id", "api_key_id", "project_id", "target_type",
    "target_id", "ip", "trace_id",
)  # fmt: skip
_OTHERS = {"since": "at__gte", "until": "at__lt", "q": "summary__icontains"}


def find_entries(organization_id: UUID, filters: Filters) -> EntryQuerySet:
    """The organization's entries that fit, newest first by number."""
    return narrow(Entry.objects.of(organization_id), filters)


def narrow(entries: EntryQuerySet, filters: Filters) -> EntryQuerySet:
    """Those of one organization's `entries` that fit, newest first by number."""
    wanted = {name: getattr(filters, name) for name in _EXACT}
    wanted |= {how: getattr(filters, name) for name, how in _OTHERS.items()}
    entries = entries.order_by("-pk")
    entries = entries.filter(**{how: value for how, value in wanted.items() if value})
    if filters.api_key_id is not None:
        entries = entries.filter(actor_id=filters.api_key_id)  # so that its index serves
    return _named(entries, filters.event) if filters.event else entries


def _named(entries: EntryQuerySet, event: str) -> EntryQuerySet:
    if not event.endswith((".", "*")):
        return entries.filter(action=event)
    start = event.rstrip("*")
    if "." in start:
        entries = entries.filter(category=start.partition(".")[0])
    return entries.filter(action__startswith=start)


def days_of(filters: Filters, most: int) -> tuple[date, date]:
    """First and last day (UTC) of a report: what is asked for, at most `most` days long."""
    today = datetime.now(UTC).date()
    last = (filters.until - timedelta(microseconds=1)).date() if filters.until else today
    first = filters.since.date() if filters.since else last - timedelta(days=29)
    return max(first, last - timedelta(days=most - 1)), last
