"""The sliding window, at given moments: in memory always, in Redis where there is one."""

import os
import threading
from uuid import uuid4

import pytest
from django.conf import settings as configured

from core.rates import WINDOW, MemoryCounter, RedisCounter, Verdict, count, headers_of

START = 1_800_000_000 - 1_800_000_000 % WINDOW


@pytest.fixture
def name():
    return f"user:{uuid4()}"


def test_as_many_as_allowed_and_no_more(name):
    verdicts = [count(name, 3, START + second) for second in (0, 1, 2, 3)]

    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]
    assert verdicts[0].reset == 60
    assert verdicts[3].reset == 57


def test_what_was_asked_just_before_the_window_still_counts(name):
    for _ in range(10):
        count(name, 10, START + 59)

    assert not count(name, 10, START + 60).allowed
    assert count(name, 10, START + 61).allowed  # the window has slid past the first of them
    assert not count(name, 10, START + 61).allowed


def test_a_minute_of_silence_forgets_everything(name):
    for _ in range(10):
        count(name, 10, START)

    assert count(name, 10, START + 2 * WINDOW).remaining == 9


@pytest.mark.parametrize("second", [0, 10, 30, 59])
def test_after_the_wait_that_is_told_one_more_is_allowed(name, second):
    for _ in range(5):
        count(name, 5, START + second)
    refused = count(name, 5, START + second)

    assert not refused.allowed
    assert not count(name, 5, START + second + refused.retry_after - 2).allowed
    assert count(name, 5, START + second + refused.retry_after).allowed


def test_a_refused_request_does_not_prolong_the_wait(name):
    for _ in range(50):
        count(name, 5, START)

    assert count(name, 5, START + 75).allowed


def test_one_caller_does_not_use_up_anothers(name):
    count(name, 1, START)

    assert not count(name, 1, START).allowed
    assert count(f"{name}-other", 1, START).allowed


def test_the_headers_of_a_verdict():
    told = headers_of(Verdict(allowed=False, limit=5, now=5, before=0, elapsed=20))

    assert told == {
        "RateLimit-Limit": "5",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "40",
        "RateLimit-Policy": "5;w=60",
        "Retry-After": "41",
    }


def test_memory_forgets_those_who_have_not_asked_lately(monkeypatch):
    monkeypatch.setattr("core.rates.MOST_NAMES", 10)
    counter = MemoryCounter()
    for number in range(50):
        counter.step(f"n{number}", 5, window=number, weight=0.0)

    assert len(counter._counts) <= 11


def counters():
    yield MemoryCounter()
    if url := configured.REDIS_URL or os.environ.get("TEST_REDIS_URL"):
        yield RedisCounter(url)


@pytest.mark.services
@pytest.mark.parametrize("counter", list(counters()), ids=lambda each: type(each).__name__)
def test_many_at_once_get_exactly_what_there_is(counter, name):
    allowed, start = [], threading.Barrier(8)

    def ask():
        start.wait()
        asked = [counter.step(name, 100, window=START // WINDOW, weight=0.5) for _ in range(20)]
        allowed.extend(step[2] for step in asked)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert (len(allowed), sum(allowed)) == (160, 100)


def test_nobody_is_refused_while_redis_is_away(name):
    assert RedisCounter("redis://127.0.0.1:1/0").step(name, 1, 0, 1.0) == (0, 0, True)
