"""How often nodes may start: buckets that fill evenly, and no cost where no limits are."""

import asyncio
import time

import pytest
from django.test import override_settings

from core.buckets import Bucket, MemoryBuckets, take
from core.ids import uuid7
from orgs.tests.factories import OrganizationFactory
from workflows.models import NodeRateLimit
from workflows.runtime.rates import Rates, connector_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


def bucket(rate, burst):
    return Bucket(f"test:{uuid7()}", rate, burst)


def limit(organization, scope, name, calls=1, seconds=60, burst=1):
    return NodeRateLimit.objects.create(
        organization=organization, scope=scope, name=name, limit=calls, per_seconds=seconds,
        burst=burst,
    )  # fmt: skip


def asked(organization, *calls, rates=None):
    async def ask():
        many = rates or Rates()
        return [await many.admit(organization.pk, *call) for call in calls]

    return asyncio.run(ask())


def test_a_bucket_gives_its_burst_and_then_its_rate():
    one = bucket(20, 3)
    assert [take([one]) for _ in range(3)] == [0, 0, 0]
    wait = take([one])
    assert 0 < wait <= 0.051
    time.sleep(wait + 0.002)
    assert take([one]) == 0


def test_all_buckets_give_or_none():
    empty, full = bucket(0.01, 1), bucket(0.01, 1)
    assert take([empty]) == 0
    assert take([full, empty]) > 90
    assert take([full]) == 0


def test_memory_keeps_no_bucket_that_is_full_again(monkeypatch):
    monkeypatch.setattr("core.buckets.MOST_KEPT", 10)
    kept = MemoryBuckets()
    for _ in range(50):
        kept.take([Bucket(str(uuid7()), 1e6, 1)])
    assert len(kept._seen) <= 11


@override_settings(REDIS_URL="redis://127.0.0.1:1/0")
def test_nobody_waits_when_redis_is_away():
    assert take([bucket(0.01, 1)]) == 0
    assert take([bucket(0.01, 1)]) == 0


def test_a_kind_and_a_connector_are_limited_each_by_itself():
    organization, other = OrganizationFactory(), OrganizationFactory()
    limit(organization, "kind", "llm", burst=2)
    limit(organization, "connector", "api.example.com")

    waits = asked(
        organization,
        ("llm", "gpt"), ("llm", "gpt"), ("llm", "other"),
        ("http-request", "API.example.com"), ("http-request", "api.example.com"),
        ("http-request", "elsewhere.example.com"), ("code", ""),
    )  # fmt: skip
    assert [wait > 0 for wait in waits] == [False, False, True, False, True, False, False]
    assert 25 < waits[2] <= 60
    assert asked(other, *[("llm", "gpt")] * 5) == [0] * 5


def test_without_limits_a_step_costs_no_look(django_assert_num_queries):
    organization, rates = OrganizationFactory(), Rates(kept_seconds=60)

    async def ask():
        for _ in range(50):
            await rates.admit(organization.pk, "llm", "gpt")

    asyncio.run(ask())
    held = rates._known[organization.pk]
    limit(organization, "kind", "llm")
    asyncio.run(ask())
    assert rates._known[organization.pk] is held


def test_a_change_is_felt_soon():
    organization, rates = OrganizationFactory(), Rates(kept_seconds=0.05)
    assert asked(organization, *[("llm",)] * 3, rates=rates) == [0, 0, 0]
    limit(organization, "kind", "llm")
    time.sleep(0.06)
    assert asked(organization, ("llm",), ("llm",), rates=rates)[1] > 0


@pytest.mark.parametrize(
    ("kind", "data", "connector"),
    [
        ("http-request", {"url": "https://API.Example.com:8443/a?b"}, "api.example.com"),
        ("http-request", {"url": "https://{{#env.host#}}/a"}, ""),
        ("http-request", {"url": "http://[broken"}, ""),
        ("llm", {"model": {"name": "GPT-5"}}, "gpt-5"),
        ("tool", {"tool_name": "search"}, "search"),
        ("code", {}, ""),
    ],
)
def test_a_connector_is_the_host_the_model_or_the_tool(kind, data, connector):
    assert connector_of(kind, data) == connector
