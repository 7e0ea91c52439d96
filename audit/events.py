"""Which events there are: a dotted name, a label for people, and the fields its data may have.

Every room says in its `events.py` what it records; `AuditConfig.ready` reads them all. `*` in a
name stands for one or more segments and makes a family, for names that are put together at run
time (the console's `console.*.changed`).

    register("orgs.member.added", _("Member added"), user=str, role=str)

The first segment is the event's category. A field's type is that of its JSON form (an id is
`str`); null always fits. `register_refusal` is for events that tell of something that was refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from audit.errors import UnknownEvent

NAME = re.compile(r"[a-z_]+(\.([a-z0-9_]+|\*))+")
OK, REFUSED, FAILED = "ok", "refused", "failed"
CATEGORIES: dict[str, StrOrPromise] = {
    "accounts": _("Sign-in"),
    "audit": _("Audit"),
    "billing": _("Money"),
    "bpm": _("Approvals"),
    "console": _("Operator console"),
    "files": _("Files"),
    "llm": _("Models"),
    "orgs": _("Organization"),
    "workflows": _("Workflows"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of thing that is recorded. `fields`: name -> what `isinstance` takes."""

    name: str
    label: StrOrPromise
    fields: Mapping[str, Any]
    outcome: str = OK

    @property
    def category(self) -> str:
        return category_of(self.name)

    def check(self, data: Mapping[str, Any]) -> None:
        """Raises UnknownEvent for a field that was not registered, or of another type."""
        for name, value in data.items():
            if name not in self.fields:
                raise UnknownEvent(f"{self.name} has no field {name}", self.name)
            if value is not None and not isinstance(value, self.fields[name]):
                raise UnknownEvent(f"{self.name}.{name} is no {self.fields[name]}", self.name)


_events: dict[str, Event] = {}


def register(name: str, label: StrOrPromise, /, **fields: Any) -> None:
    """Register an event that was done. Repeating it replaces the earlier one."""
    _put(Event(name, label, fields))


def register_refusal(name: str, label: StrOrPromise, /, **fields: Any) -> None:
    """Register an event that tells of a refusal: a wrong password, a call that was turned away."""
    _put(Event(name, label, fields, REFUSED))


def _put(event: Event) -> None:
    if not NAME.fullmatch(event.name):
        raise UnknownEvent("An event has a dotted, lower-case name.", event.name)
    _events[event.name] = event
    _families.cache_clear()


@lru_cache(maxsize=1)
def _families() -> tuple[tuple[re.Pattern[str], Event], ...]:
    def pattern(name: str) -> re.Pattern[str]:
        return re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*".join(map(re.escape, name.split("*"))))

    return tuple((pattern(name), event) for name, event in _events.items() if "*" in name)


def event_of(name: str) -> Event:
    """The registered event, or the family it belongs to. Raises UnknownEvent."""
    if (known := _events.get(name)) and "*" not in name:
        return known
    for pattern, event in _families():
        if pattern.fullmatch(name):
            return event
    raise UnknownEvent(f"{name} is not a registered event", name)


def all_events() -> Iterator[Event]:
    """In the order of their names."""
    return iter(sorted(_events.values(), key=lambda event: event.name))


def category_of(name: str) -> str:
    return name.partition(".")[0]


def label_of(name: str) -> StrOrPromise:
    """For people; the name itself where the event is not known any more."""
    try:
        return event_of(name).label
    except UnknownEvent:
        return name


def category_label(category: str) -> StrOrPromise:
    return CATEGORIES.get(category, category)


register(
    "audit.entries.pruned",
    _("Old audit entries dropped"),
    first_seal=int,
    last_seal=int,
    entries=int,
    before=str,
)
