"""When a schedule falls due, exactly: cron lines by the clock of a zone, intervals by elapsed time.

The rules where clocks are changed:

- A line with hours of its own means times of day. One that the clock skips in spring falls due at
  the first instant after the gap; one that it shows twice in autumn falls due once, at the first.
- A line that means every hour follows the clock as it goes: what is skipped is not made up for, and
  what is shown twice falls due twice.
- An interval knows no clock: it counts elapsed seconds from its start.

Two times of a line that fall on the same instant are one occurrence.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from workflows.errors import InvalidSchedule
from workflows.triggers.cron import HORIZON, Cron, read_cron

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """A schedule as it stands: either a cron line in a zone, or an interval from an anchor."""

    zone: tzinfo
    cron: Cron | None = None
    every: timedelta = timedelta(0)
    anchor: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None

    def after(self, moment: datetime) -> datetime | None:
        """The first occurrence later than `moment` and within the bounds, in UTC; None: no more."""
        if self.start is not None:
            moment = max(moment, self.start - timedelta(microseconds=1))
        found = self._next(moment.astimezone(UTC))
        return None if found is None or (self.end and found > self.end) else found

    def following(self, moment: datetime, count: int) -> list[datetime]:
        """The next `count` occurrences after `moment`, fewer where the schedule ends."""
        found: list[datetime] = []
        while len(found) < count and (upcoming := self.after(moment)) is not None:
            found.append(upcoming)
            moment = upcoming
        return found

    def _next(self, moment: datetime) -> datetime | None:
        if self.cron is None:
            return self._next_interval(moment)
        if self.cron.hourly:
            return _next_hourly(self.cron, self.zone, moment)
        return _next_by_day(self.cron, self.zone, moment)

    def _next_interval(self, moment: datetime) -> datetime:
        assert self.anchor is not None  # nosec B101 # noqa: S101 - an interval has one
        if moment < self.anchor:
            return self.anchor
        passed = (moment - self.anchor) // self.every
        return self.anchor + (passed + 1) * self.every


def instant_of(wall: datetime, zone: tzinfo) -> datetime:
    """When the clock of `zone` shows `wall` (naive) for the first time, in UTC.

    Where it never does, the first instant after the gap.
    """
    local = wall.replace(tzinfo=zone, fold=0)
    found = local.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return found
    # In a gap fold=0 reckons with the offset before it, so `found` lies behind the change by as
    # much as `wall` lies behind the gap's begin; and fold=1 lies before it likewise.
    before, after = local.replace(fold=1).astimezone(UTC), found
    return _change_between(before, after, zone)


def _change_between(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The minute at which the offset changes, which it does once between the two."""
    old = before.astimezone(zone).utcoffset()
    low, high = before, after
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _next_by_day(cron: Cron, zone: tzinfo, moment: datetime) -> datetime | None:
    """Wall times in order map to instants in order, so the first that is later is the next."""
    begin = moment.astimezone(zone).replace(tzinfo=None, fold=0, second=0, microsecond=0)
    for wall in cron.walls(begin - timedelta(hours=3)):
        if (found := instant_of(wall, zone)) > moment:
            return found
    return None


def _next_hourly(cron: Cron, zone: tzinfo, moment: datetime) -> datetime | None:
    """Walks through real time, minute by minute only where clocks are being changed."""
    minutes = frozenset(cron.minutes)
    at = moment.replace(second=0, microsecond=0) + MINUTE
    last = moment + HORIZON
    while at <= last:
        local = at.astimezone(zone)
        if not cron.means(local.date()):
            following = next(cron.days_from(local.date() + timedelta(days=1)), None)
            if following is None:
                return None
            at = max(
                at + MINUTE, instant_of(datetime.combine(following, datetime.min.time()), zone)
            )
        elif local.minute in minutes:
            return at
        else:
            at = _towards(at, local, cron.minutes, zone)
    return None


def _towards(at: datetime, local: datetime, minutes: tuple[int, ...], zone: tzinfo) -> datetime:
    later = next((minute for minute in minutes if minute > local.minute), minutes[0] + 60)
    leap = at + timedelta(minutes=later - local.minute)
    steady = leap.astimezone(zone).utcoffset() == local.utcoffset()
    return leap if steady else at + MINUTE


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def zone_of(name: str) -> ZoneInfo:
    """Raises InvalidSchedule."""
    try:
        if name in zone_names():
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        pass
    raise InvalidSchedule("There is no such time zone.", field="time_zone")


def cron_rule(
    line: str, zone: str, start: datetime | None = None, end: datetime | None = None
) -> Rule:
    return Rule(zone=zone_of(zone), cron=read_cron(line), start=_in_utc(start), end=_in_utc(end))


def interval_rule(seconds: int, anchor: datetime, end: datetime | None = None) -> Rule:
    """Occurrences at `anchor` and every `seconds` after it."""
    every = timedelta(seconds=seconds)
    return Rule(zone=UTC, every=every, anchor=_in_utc(anchor), end=_in_utc(end))


def _in_utc(moment: datetime | None) -> datetime | None:
    """Sums of datetimes in a zone are sums on its clock; elapsed time is reckoned in UTC."""
    return moment.astimezone(UTC) if moment else None


def jitter_of(key: object, occurrence: datetime, most: int) -> timedelta:
    """How much later than it falls due an occurrence is started, 0 to `most` seconds.

    Always the same for the same occurrence.
    """
    if not most:
        return timedelta(0)
    digest = hashlib.sha256(f"{key}:{occurrence.isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (most + 1))
