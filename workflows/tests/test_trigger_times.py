"""When schedules fall due: cron lines, intervals, and what happens where clocks are changed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.errors import InvalidSchedule
from workflows.triggers.cron import read_cron
from workflows.triggers.occurrences import cron_rule, instant_of, interval_rule, jitter_of, zone_of

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(line, zone, first, count):
    """The next `count` as their own clock shows them with its offset, from `first` (UTC) on."""
    found = cron_rule(line, zone).following(utc(first), count)
    return [at.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M %z") for at in found]


# -- lines


@pytest.mark.parametrize(
    ("line", "field", "values"),
    [
        ("*/15 * * * *", "minutes", (0, 15, 30, 45)),
        ("5-20/5,40 * * * *", "minutes", (5, 10, 15, 20, 40)),
        ("7/20 * * * *", "minutes", (7, 27, 47)),
        ("0 9-17 * * *", "hours", tuple(range(9, 18))),
        ("0 0 * JAN,mar-May *", "months", {1, 3, 4, 5}),
        ("0 0 * * MON-FRI", "weekdays", {1, 2, 3, 4, 5}),
        ("0 0 * * 7", "weekdays", {0}),
        ("0 0 * * 5-7", "weekdays", {5, 6, 0}),
        ("@hourly", "minutes", (0,)),
        ("  0   12  1 * *  ", "days", {1}),
    ],
)
def test_a_line_means_what_cron_means_by_it(line, field, values):
    assert getattr(read_cron(line), field) == values


@pytest.mark.parametrize(
    "line",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *",
     "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "*-5 * * * *", "x * * * *",
     "1,,2 * * * *", "0 0 30 2 *", "0 0 31 feb,apr *", "* * * * mon-", "-1 * * * *", "1" * 300,
     "@reboot", "٣ * * * *"],
)  # fmt: skip
def test_a_line_that_cannot_be_read_or_never_comes_is_refused(line):
    with pytest.raises(InvalidSchedule):
        read_cron(line)


def test_of_two_narrowed_day_fields_either_suffices():
    found = shown("0 0 13 * FRI", "UTC", "2026-02-01 00:00", 5)

    assert [text[:5] for text in found] == ["02-06", "02-13", "02-20", "02-27", "03-06"]


def test_the_29th_of_february_is_waited_for_over_eight_years():
    found = cron_rule("0 0 29 2 *", "UTC").following(utc("2096-03-01 00:00"), 1)

    assert found == [utc("2104-02-29 00:00")]


@pytest.mark.parametrize("name", ["", "Europe/Nowhere", "../etc/passwd", "/etc/localtime", "\0"])
def test_a_zone_that_does_not_exist_is_refused(name):
    with pytest.raises(InvalidSchedule):
        zone_of(name)


# -- spring: a time of day that the clock skips


@pytest.mark.parametrize(
    ("zone", "line", "first", "expected"),
    [
        (BERLIN, "30 2 * * *", "2026-03-28 00:00",
         ["03-28 02:30 +0100", "03-29 03:00 +0200", "03-30 02:30 +0200"]),
        (BERLIN, "0 2 * * *", "2026-03-28 12:00", ["03-29 03:00 +0200", "03-30 02:00 +0200"]),
        (BERLIN, "0 3 * * *", "2026-03-28 12:00", ["03-29 03:00 +0200", "03-30 03:00 +0200"]),
        (BERLIN, "59 1 * * *", "2026-03-28 12:00", ["03-29 01:59 +0100", "03-30 01:59 +0200"]),
        (BERLIN, "*/20 2 * * *", "2026-03-28 12:00", ["03-29 03:00 +0200", "03-30 02:00 +0200"]),
        (BERLIN, "0,30 2-3 * * *", "2026-03-29 00:00",
         ["03-29 03:00 +0200", "03-29 03:30 +0200", "03-30 02:00 +0200"]),
        (NEW_YORK, "30 2 * * *", "2026-03-07 12:00", ["03-08 03:00 -0400", "03-09 02:30 -0400"]),
        (LORD_HOWE, "15 2 * * *", "2026-10-03 00:00", ["10-04 02:30 +1100", "10-05 02:15 +1100"]),
        (LORD_HOWE, "30 2 * * *", "2026-10-03 00:00", ["10-04 02:30 +1100", "10-05 02:30 +1100"]),
        ("America/Santiago", "0 0 * * *", "2026-09-05 12:00",
         ["09-06 01:00 -0300", "09-07 00:00 -0300"]),
    ],
)  # fmt: skip
def test_a_time_that_does_not_exist_falls_on_the_first_instant_after_the_gap(
    zone, line, first, expected
):
    assert shown(line, zone, first, len(expected)) == expected


# -- autumn: a time of day that the clock shows twice


@pytest.mark.parametrize(
    ("zone", "line", "first", "expected"),
    [
        (BERLIN, "30 2 * * *", "2026-10-24 12:00", ["10-25 02:30 +0200", "10-26 02:30 +0100"]),
        (BERLIN, "0 2 * * *", "2026-10-24 12:00", ["10-25 02:00 +0200", "10-26 02:00 +0100"]),
        (BERLIN, "0 3 * * *", "2026-10-24 12:00", ["10-25 03:00 +0100", "10-26 03:00 +0100"]),
        (BERLIN, "*/30 2 * * *", "2026-10-24 12:00",
         ["10-25 02:00 +0200", "10-25 02:30 +0200", "10-26 02:00 +0100"]),
        (NEW_YORK, "30 1 * * *", "2026-10-31 12:00", ["11-01 01:30 -0400", "11-02 01:30 -0500"]),
        (LORD_HOWE, "45 1 * * *", "2026-04-04 00:00", ["04-05 01:45 +1100", "04-06 01:45 +1030"]),
        (LORD_HOWE, "0 2 * * *", "2026-04-04 00:00", ["04-05 02:00 +1030", "04-06 02:00 +1030"]),
    ],
)  # fmt: skip
def test_a_time_that_comes_twice_falls_due_once_at_the_first(zone, line, first, expected):
    assert shown(line, zone, first, len(expected)) == expected


def test_nothing_falls_due_again_while_the_hour_is_repeated():
    rule = cron_rule("30 2 * * *", BERLIN)
    second = datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=ZoneInfo(BERLIN))

    assert rule.after(second).astimezone(ZoneInfo(BERLIN)).day == 26


# -- lines that mean every hour


@pytest.mark.parametrize(
    ("zone", "line", "first", "expected"),
    [
        (BERLIN, "0 * * * *", "2026-03-28 23:30",
         ["03-29 01:00 +0100", "03-29 03:00 +0200", "03-29 04:00 +0200"]),
        (BERLIN, "30 * * * *", "2026-03-29 00:00",
         ["03-29 01:30 +0100", "03-29 03:30 +0200"]),
        (BERLIN, "0 * * * *", "2026-10-24 23:30",
         ["10-25 02:00 +0200", "10-25 02:00 +0100", "10-25 03:00 +0100"]),
        (BERLIN, "*/30 0-23 * * *", "2026-10-25 00:10",
         ["10-25 02:30 +0200", "10-25 02:00 +0100", "10-25 02:30 +0100", "10-25 03:00 +0100"]),
        (NEW_YORK, "15 * * * *", "2026-11-01 05:00",
         ["11-01 01:15 -0400", "11-01 01:15 -0500", "11-01 02:15 -0500"]),
        (LORD_HOWE, "0 * * * *", "2026-10-03 14:00",
         ["10-04 01:00 +1030", "10-04 03:00 +1100"][-2:]),
        (LORD_HOWE, "30 * * * *", "2026-10-03 14:45",
         ["10-04 01:30 +1030", "10-04 02:30 +1100"]),
        (LORD_HOWE, "30 * * * *", "2026-04-04 14:15",
         ["04-05 01:30 +1100", "04-05 01:30 +1030", "04-05 02:30 +1030"]),
        (LORD_HOWE, "0 * * * *", "2026-04-04 13:30",
         ["04-05 01:00 +1100", "04-05 02:00 +1030"]),
    ],
)  # fmt: skip
def test_a_line_of_every_hour_follows_the_clock_as_it_goes(zone, line, first, expected):
    assert shown(line, zone, first, len(expected)) == expected


def test_every_minute_is_every_minute_of_elapsed_time_across_both_changes():
    for first in ("2026-03-29 00:00", "2026-10-25 00:00"):
        found = cron_rule("* * * * *", BERLIN).following(utc(first), 200)
        assert found == [utc(first) + timedelta(minutes=n) for n in range(1, 201)]


def test_an_hourly_line_keeps_to_its_days():
    found = shown("0 * * * SUN", BERLIN, "2026-03-29 21:30", 2)

    assert found == ["04-05 00:00 +0200", "04-05 01:00 +0200"]


# -- zones without changes, intervals, bounds


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Asia/Shanghai", "America/Phoenix"])
@pytest.mark.parametrize("line", ["30 2 * * *", "0 * * * *"])
def test_without_changes_all_days_are_alike(zone, line):
    found = cron_rule(line, zone).following(utc("2026-01-01 00:00"), 400)
    gaps = {later - earlier for earlier, later in pairwise(found)}

    assert len(gaps) == 1


def test_an_interval_counts_elapsed_time_across_a_change():
    anchor = datetime(2026, 3, 28, 23, 30, tzinfo=ZoneInfo(BERLIN))
    found = interval_rule(3600, anchor).following(anchor, 5)

    assert found == [anchor.astimezone(UTC) + timedelta(hours=n) for n in range(1, 6)]
    assert [at.astimezone(ZoneInfo(BERLIN)).hour for at in found] == [0, 1, 3, 4, 5]


def test_bounds_hold_at_both_ends():
    start, end = utc("2026-01-05 09:00"), utc("2026-01-07 09:00")
    rule = cron_rule("0 9 * * *", "UTC", start, end)

    assert rule.following(utc("2026-01-01 00:00"), 10) == [
        utc(f"2026-01-0{day} 09:00") for day in (5, 6, 7)
    ]
    assert rule.after(end) is None


def test_jitter_is_bounded_and_always_the_same():
    at = utc("2026-01-01 00:00")
    found = {jitter_of(f"t{n}", at, 60) for n in range(500)}

    assert jitter_of("t", at, 60) == jitter_of("t", at, 60)
    assert min(found) >= timedelta(0)
    assert max(found) <= timedelta(seconds=60)
    assert len(found) > 40
    assert jitter_of("t", at, 0) == timedelta(0)


# -- against a plain reckoning, minute by minute

LINES = ["30 2 * * *", "0 2,3 * * 0", "*/20 1-3 * * *", "0 * * * *", "15,45 * * * *",
         "* * * * *", "0 0 * * *", "10 2 25,29 3,10 *"]  # fmt: skip
MOMENTS = ["2026-03-29 00:20", "2026-10-25 00:05", "2026-03-08 06:10", "2026-11-01 05:01",
           "2026-10-03 14:40", "2026-04-04 14:20", "2026-06-01 00:00"]  # fmt: skip


def reckoned(line, zone, first, hours):
    """Every instant of the time that follows, by the documented rules and nothing clever."""
    cron, place, begin = read_cron(line), ZoneInfo(zone), utc(first)
    seen, found = set(), set()
    before = begin - timedelta(days=2)
    for number in range((2 * 24 + hours) * 60 + 1):
        at = before + timedelta(minutes=number)
        local = at.astimezone(place)
        wall = local.replace(tzinfo=None, fold=0)
        previous = (at - timedelta(minutes=1)).astimezone(place).replace(tzinfo=None, fold=0)
        walls = [wall]
        if not cron.hourly:
            gap = int((wall - previous).total_seconds() // 60)
            walls += [previous + timedelta(minutes=n) for n in range(1, gap)]
        for each in walls:
            fits = each.minute in cron.minutes and each.hour in cron.hours
            if fits and cron.means(each.date()) and (cron.hourly or each not in seen):
                found.add(at)
            seen.add(each)
    return sorted(at for at in found if at > begin)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(LINES), st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, "Asia/Kolkata"]),
    st.sampled_from(MOMENTS), st.integers(0, 600),
)  # fmt: skip
def test_it_agrees_with_a_plain_reckoning(line, zone, first, later):
    begin = utc(first) + timedelta(minutes=later)
    expected = reckoned(line, zone, begin.strftime("%Y-%m-%d %H:%M"), 12)

    assert cron_rule(line, zone).following(begin, len(expected)) == expected


def test_a_gap_ends_where_the_clock_goes_on():
    inside = datetime.fromisoformat("2026-03-29 02:17")
    assert instant_of(inside, ZoneInfo(BERLIN)) == utc("2026-03-29 01:00")
