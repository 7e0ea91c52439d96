"""Wallet, ledger, usage and prices over HTTP."""

import pytest
from django.utils.timezone import now
from rest_framework.test import APIClient

from billing.models import LedgerEntry, Price, UsageRecord, Wallet
from billing.tests.factories import PriceFactory, WalletFactory
from billing.tests.rows import captured_hold, open_hold
from orgs.tests.factories import OrganizationFactory, key_in, person_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet():
    return WalletFactory()


def client_in(organization, role="owner"):
    user, _ = person_in(organization, role)
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def client(wallet):
    return client_in(wallet.organization)


def test_the_wallet_shows_balance_held_and_available(client, wallet):
    open_hold(wallet, 300)

    body = client.get("/api/v1/wallet/").json()

    assert (body["balance"], body["held"], body["available"]) == (1_000_000, 300, 999_700)


def test_a_key_with_the_scope_reads_the_wallet(wallet):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key_in(wallet.organization, 'wallet.view')}")

    assert client.get("/api/v1/wallet/").json()["id"] == str(wallet.pk)
    assert client.post("/api/v1/wallet/top-up/", {"amount": 5, "ref": "x"}).status_code == 403


def test_a_top_up_is_paid_once(client, wallet):
    body = {"amount": 500, "ref": "bank-1"}

    first = client.post("/api/v1/wallet/top-up/", body)
    second = client.post("/api/v1/wallet/top-up/", body)
    third = client.post("/api/v1/wallet/top-up/", {**body, "amount": 501})

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert (third.status_code, third.json()["code"]) == (409, "reference_used")
    wallet.refresh_from_db()
    assert wallet.balance == 1_000_500


@pytest.mark.parametrize("body", [{}, {"amount": 0, "ref": "x"}, {"amount": "many", "ref": "x"}])
def test_a_malformed_top_up_is_refused(client, wallet, body):
    answer = client.post("/api/v1/wallet/top-up/", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    wallet.refresh_from_db()
    assert wallet.balance == 1_000_000


@pytest.mark.parametrize("role", ["approver", "member", "guest"])
@pytest.mark.parametrize("path", ["wallet/", "ledger/", "usage/"])
def test_money_is_not_everybodys_business(wallet, role, path):
    answer = client_in(wallet.organization, role).get(f"/api/v1/{path}")

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("path", ["ledger/", "usage/"])
def test_other_organizations_see_nothing_of_it(wallet, path):
    captured_hold(wallet)

    assert client_in(OrganizationFactory()).get(f"/api/v1/{path}").json()["results"] == []


def test_the_ledger_pages_by_key_newest_first(client, wallet):
    for _ in range(4):
        captured_hold(wallet)

    first = client.get("/api/v1/ledger/", {"limit": 3}).json()
    second = client.get(first["next"]).json()

    seen = [row["id"] for row in first["results"] + second["results"]]
    assert seen == list(LedgerEntry.objects.order_by("-pk").values_list("pk", flat=True))
    assert second["next"] is None
    assert first["results"][0]["kind"] == "capture"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, 3),
        ({"model": "other"}, 1),
        ({"trace_id": "b" * 32}, 3),
        ({"trace_id": "c" * 32}, 0),
        ({"run_id": "01a1f95a-8c3f-73c2-b404-271cffa2b012"}, 1),
        ({"outcome": "cut"}, 1),
        ({"since": "2020-01-01T00:00:00Z"}, 3),
        ({"until": "2020-01-01T00:00:00Z"}, 0),
    ],
)
def test_usage_is_filtered(client, wallet, query, found):
    captured_hold(wallet)
    captured_hold(wallet, model="other", run_id="01a1f95a-8c3f-73c2-b404-271cffa2b012")
    captured_hold(wallet, outcome="cut")

    assert len(client.get("/api/v1/usage/", query).json()["results"]) == found


@pytest.mark.parametrize("query", [{"since": "yesterday"}, {"trace_id": "x"}, {"outcome": "fine"}])
def test_a_malformed_filter_is_refused_instead_of_ignored(client, query):
    assert client.get("/api/v1/usage/", query).status_code == 400


@pytest.mark.parametrize("path", ["ledger/", "usage/", "prices/"])
def test_lists_cost_the_same_however_long(client, wallet, path, django_assert_max_num_queries):
    for number in range(5):
        captured_hold(wallet)
        PriceFactory(model=f"m{number}")

    client.get("/api/v1/me/")  # the first request of a session notes where it is used
    with django_assert_max_num_queries(4):
        assert len(client.get(f"/api/v1/{path}").json()["results"]) >= 5


def test_prices_are_the_own_ones_and_those_for_all(client, wallet):
    PriceFactory(model="common")
    PriceFactory(model="foreign", organization=OrganizationFactory())

    created = client.post("/api/v1/prices/", {"model": "mine", "input": 5, "output": 7})

    assert (created.status_code, created.json()["cached_input"]) == (201, 5)
    rows = client.get("/api/v1/prices/").json()["results"]
    assert {(row["model"], row["own"]) for row in rows} == {("common", False), ("mine", True)}


def test_a_builder_reads_prices_but_sets_none(wallet):
    client = client_in(wallet.organization, "builder")

    assert client.get("/api/v1/prices/").status_code == 200
    answer = client.post("/api/v1/prices/", {"model": "mine", "input": 5, "output": 7})

    assert answer.status_code == 403
    assert not Price.objects.exists()


def test_nothing_can_be_written_over_history(client, wallet):
    hold = captured_hold(wallet)
    for method in (client.post, client.put, client.patch, client.delete):
        assert method("/api/v1/ledger/").status_code == 405
        assert method("/api/v1/usage/").status_code == 405
    assert hold.usage_record.created_at < now()
    assert UsageRecord.objects.count() == Wallet.objects.count() == 1
