"""Last use: remembered in the process, written in batches."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from rest_framework.test import APIClient

from core.addresses import plain_address
from orgs import uses
from orgs.models import ApiKey
from orgs.tests.factories import OrganizationFactory, key_in
from orgs.uses import flush_uses, note_use

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_buffer():
    uses._forget()
    yield
    uses._forget()


@pytest.fixture
def token():
    return key_in(OrganizationFactory(), "org.view")


def call(token, peer="203.0.113.9"):
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    return client.get("/api/v1/me/", REMOTE_ADDR=peer)


def test_a_call_writes_nothing(token):
    with CaptureQueriesContext(connection) as captured:
        for _ in range(5):
            assert call(token).status_code == 200

    assert not [q for q in captured if q["sql"].startswith(("UPDATE", "INSERT"))]
    assert ApiKey.objects.get().last_used_at is None


def test_a_flush_writes_the_latest_use_of_every_key_in_one_statement(token):
    others = [key_in(OrganizationFactory(), "org.view") for _ in range(5)]
    for one in (token, *others):
        call(one, "203.0.113.1")
        call(one, "203.0.113.9")

    with CaptureQueriesContext(connection) as captured:
        assert flush_uses() == 6

    assert len([q for q in captured if q["sql"].startswith("UPDATE")]) == 1
    assert set(ApiKey.objects.values_list("last_used_ip", flat=True)) == {"203.0.113.9"}
    assert all(now() - at < timedelta(minutes=1) for at in last_uses())
    assert flush_uses() == 0


def last_uses():
    return ApiKey.objects.values_list("last_used_at", flat=True)


def test_a_later_use_seen_by_another_process_stays(token):
    key = ApiKey.objects.get()
    note_use(key.pk, plain_address("203.0.113.1"))
    later = now() + timedelta(seconds=5)
    ApiKey.objects.update(last_used_at=later, last_used_ip="203.0.113.2")

    flush_uses()

    key.refresh_from_db()
    assert (key.last_used_at, key.last_used_ip) == (later, "203.0.113.2")


def test_use_changes_nothing_else(token):
    before = ApiKey.objects.get()
    call(token)
    flush_uses()

    after = ApiKey.objects.get()
    assert (after.updated_at, after.digest, after.scopes) == (
        before.updated_at,
        before.digest,
        before.scopes,
    )


@pytest.mark.django_db(transaction=True)
def test_uses_are_written_by_themselves(token, settings):
    settings.KEY_USE_FLUSH_SECONDS = 0.1
    call(token)

    for _ in range(50):
        if ApiKey.objects.get().last_used_at:
            break
        time.sleep(0.1)
    assert ApiKey.objects.get().last_used_ip == "203.0.113.9"
