"""Cron lines: five fields, names, ranges, steps. Which minutes of a calendar they mean.

As in Vixie cron: where both day fields are narrowed, a day that fits either is meant. Nothing here
knows of time zones; `workflows.triggers.occurrences` does.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from workflows.errors import InvalidSchedule

MONTHS = {name.lower(): n for n, name in enumerate(calendar.month_abbr) if name}
DAYS = {name: n for n, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, MONTHS),
    ("weekday", 0, 7, DAYS),
)
HORIZON = timedelta(days=366 * 9)
"""A line that means no day within nine years means none: 29 February comes after eight at most."""
LONGEST_LINE = 200
_PART = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cron:
    """A line as sets. `either`: both day fields are narrowed, and one that fits suffices."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    @property
    def hourly(self) -> bool:
        """Whether it means every hour of its days."""
        return len(self.hours) == 24

    def means(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_day or by_weekday if self.either else by_day and by_weekday

    def days_from(self, first: date) -> Iterator[date]:
        """The days it means, from `first` on, as far as the horizon."""
        last = min(first.toordinal() + HORIZON.days, date.max.toordinal() - 1)
        for number in range(first.toordinal(), last + 1):
            if self.means(day := date.fromordinal(number)):
                yield day

    def walls(self, first: datetime) -> Iterator[datetime]:
        """The wall-clock minutes it means, in order, from `first` (naive) on."""
        for day in self.days_from(first.date()):
            for hour in self.hours:
                for minute in self.minutes:
                    wall = datetime.combine(day, time(hour, minute))
                    if wall >= first:
                        yield wall


@lru_cache(maxsize=1024)
def read_cron(line: str) -> Cron:
    """Raises InvalidSchedule: not five fields, a value out of range, or a day that never comes."""
    text = " ".join(line.lower().split())
    fields = SHORT.get(text, text).split(" ")
    if len(fields) != len(FIELDS) or len(text) > LONGEST_LINE:
        raise InvalidSchedule(
            "A cron line has five fields: minute, hour, day, month, weekday.", field="cron"
        )
    minutes, hours, days, months, weekdays = (
        _values(field, *known) for field, known in zip(fields, FIELDS, strict=True)
    )
    found = Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(day % 7 for day in weekdays),
        either=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    if next(found.days_from(date(2024, 1, 1)), None) is None:
        raise InvalidSchedule("No day of any year fits this cron line.", field="cron")
    return found


def _values(field: str, name: str, least: int, most: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise _wrong(name, part)
        first, last = _bounds(match, least, most, names, name)
        step = int(match[3] or 1)
        if step == 0:
            raise _wrong(name, part)
        found.update(range(first, last + 1, step))
    return found


def _bounds(
    match: re.Match[str], least: int, most: int, names: dict[str, int], name: str
) -> tuple[int, int]:
    if match[1] == "*":
        if match[2]:
            raise _wrong(name, match[0])
        return least, 6 if name == "weekday" else most
    first = _number(match[1], names, name)
    last = _number(match[2], names, name) if match[2] else (most if match[3] else first)
    if not least <= first <= last <= most:
        raise _wrong(name, match[0])
    return first, last


def _number(text: str, names: dict[str, int], name: str) -> int:
    if text in names:
        return names[text]
    if not text.isdecimal() or len(text) > 3:
        raise _wrong(name, text)
    return int(text)


def _wrong(name: str, part: str) -> InvalidSchedule:
    return InvalidSchedule(
        "A field of the cron line cannot be read.", field="cron", part=part[:40], of=name
    )
