"""Holds and settlements on the database in use, many at once."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connection, connections, transaction

from billing.actions import release_hold
from billing.errors import HoldNotOpen
from billing.ledger import (
    Held,
    Insufficient,
    RefInUse,
    Replayed,
    Settlement,
    close_ledger,
    get_ledger,
)
from billing.models import Hold, LedgerEntry, UsageRecord, Wallet
from billing.proof import prove_wallet
from billing.tests.factories import WalletFactory, hold_request
from billing.tests.loop import hold, run, settle
from orgs.access import system_actor

pytestmark = pytest.mark.django_db(transaction=True)


def proven(wallet):
    proof = prove_wallet(Wallet.objects.get(pk=wallet.pk))
    assert not proof.differences
    return proof


def paid(hold_id, cost, **fields):
    return Settlement(hold_id=hold_id, cost=cost, outcome="ok", usage_source="provider", **fields)


def test_a_hold_and_its_settlement_move_the_wallet_and_leave_one_entry_and_one_record():
    wallet = WalletFactory()

    (held,) = hold(hold_request(wallet, amount=500, run_id="run-1", node_id="n1"))
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.held, wallet.available) == (1_000_000, 500, 999_500)
    (settled,) = settle(paid(held.hold_id, 300, prompt_tokens=10, completion_tokens=5))

    wallet.refresh_from_db()
    entry = LedgerEntry.objects.get(kind="capture")
    usage = UsageRecord.objects.get()
    assert (settled.captured, settled.shortfall, settled.closed) == (300, 0, True)
    assert (wallet.balance, wallet.held) == (999_700, 0)
    assert (entry.amount, entry.debit, entry.credit) == (300, "wallet", "sales")
    assert (entry.balance_after, entry.hold_id, entry.signed) == (999_700, held.hold_id, -300)
    assert (usage.cost, usage.prompt_tokens, usage.completion_tokens) == (300, 10, 5)
    assert (usage.run_id, usage.node_id, usage.trace_id) == ("run-1", "n1", "0" * 32)
    proven(wallet)


def test_fifty_at_once_on_a_wallet_with_room_for_thirteen_places_exactly_thirteen():
    wallet = WalletFactory(balance=1_399)

    outcomes = hold(*(hold_request(wallet, f"call-{n}", 100) for n in range(50)))

    assert [isinstance(outcome, Held) for outcome in outcomes] == [True] * 13 + [False] * 37
    assert set(outcomes[13:]) == {Insufficient(needed=100, available=99)}
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.held) == (1_399, 1_300)
    assert Hold.objects.count() == 13
    proven(wallet)


def test_one_that_does_not_fit_does_not_keep_smaller_ones_behind_it_out():
    wallet, other = WalletFactory(balance=100), WalletFactory(balance=100)

    amounts = [60, 90, 30, 50, 10]
    outcomes = hold(
        *(hold_request(wallet, f"call-{n}", amount) for n, amount in enumerate(amounts)),
        hold_request(other, "call-0", 100),
    )

    assert [isinstance(outcome, Held) for outcome in outcomes] == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]
    wallet.refresh_from_db()
    assert wallet.held == 100


def test_twenty_at_once_with_one_reference_place_one_hold():
    wallet = WalletFactory()

    outcomes = hold(*(hold_request(wallet) for _ in range(20)))

    assert sum(isinstance(outcome, Held) for outcome in outcomes) == 1
    assert outcomes.count(RefInUse("in_progress")) == 19
    wallet.refresh_from_db()
    assert wallet.held == 100


def test_a_reference_belongs_to_its_wallet():
    assert isinstance(hold(hold_request(WalletFactory()))[0], Held)
    assert isinstance(hold(hold_request(WalletFactory()))[0], Held)


def test_a_reference_with_another_request_is_refused():
    wallet = WalletFactory()
    hold(hold_request(wallet))

    assert hold(hold_request(wallet, request_hash="other", may_take_over=True)) == [
        RefInUse("other_request")
    ]
    assert Hold.objects.count() == 1


def test_a_paid_reference_gives_its_answer_back_and_is_not_paid_again():
    wallet = WalletFactory()
    (held,) = hold(hold_request(wallet))
    settle(paid(held.hold_id, 70, answer='{"text": "hello"}'))

    again = hold(hold_request(wallet))

    assert again == [Replayed(held.hold_id, '{"text": "hello"}', 70)]
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.held) == (999_930, 0)


def test_a_paid_reference_without_an_answer_is_refused():
    wallet = WalletFactory()
    (held,) = hold(hold_request(wallet))
    settle(paid(held.hold_id, 70))

    assert hold(hold_request(wallet, may_take_over=True)) == [RefInUse("already_used")]


def test_an_open_hold_of_a_dead_process_is_taken_over_once_and_paid_once():
    wallet = WalletFactory()
    (held,) = hold(hold_request(wallet))
    before = Hold.objects.get().expires_at

    (taken,) = hold(hold_request(wallet, may_take_over=True))
    first, second = settle(paid(taken.hold_id, 60), paid(held.hold_id, 90))

    assert taken == Held(held.hold_id, taken_over=True)
    assert Hold.objects.get().expires_at > before
    assert first.captured == second.captured == 60
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.held) == (999_940, 0)
    assert UsageRecord.objects.count() == 1
    proven(wallet)


def test_a_failed_call_frees_its_reference_and_keeps_its_history():
    wallet = WalletFactory()
    (held,) = hold(hold_request(wallet))
    settle(Settlement(held.hold_id, 0, "upstream_error", finished=False))

    (again,) = hold(hold_request(wallet))
    settle(paid(again.hold_id, 10))

    assert sorted(Hold.objects.values_list("state", "captured")) == [
        ("captured", 10),
        ("released", 0),
    ]
    assert sorted(UsageRecord.objects.values_list("outcome", "cost")) == [
        ("ok", 10),
        ("upstream_error", 0),
    ]
    assert LedgerEntry.objects.filter(kind="capture").count() == 1
    proven(wallet)


def test_settling_twice_changes_nothing_the_second_time():
    wallet = WalletFactory()
    (held,) = hold(hold_request(wallet))
    settle(paid(held.hold_id, 40))

    (again,) = settle(paid(held.hold_id, 99))

    assert (again.captured, again.closed) == (40, False)
    wallet.refresh_from_db()
    assert wallet.balance == 999_960
    assert LedgerEntry.objects.filter(kind="capture").count() == 1
    proven(wallet)


def test_cost_above_the_hold_is_taken_as_far_as_the_wallet_goes_and_the_rest_is_recorded():
    wallet = WalletFactory(balance=200)
    first, second = hold(hold_request(wallet, "a", 50), hold_request(wallet, "b", 50))

    one, two = settle(paid(first.hold_id, 120), paid(second.hold_id, 120))

    assert (one.captured, one.shortfall) == (120, 0)
    assert (two.captured, two.shortfall) == (80, 40)
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.held) == (0, 0)
    assert list(
        LedgerEntry.objects.filter(kind="capture").values_list("balance_after", flat=True)
    ) == [80, 0]
    assert UsageRecord.objects.get(hold=second.hold_id).shortfall == 40
    proven(wallet)


def test_a_credit_limit_lets_the_balance_go_below_zero_and_no_further():
    wallet = WalletFactory(balance=100)
    Wallet.objects.filter(pk=wallet.pk).update(credit_limit=50)

    held, refused = hold(hold_request(wallet, "a", 120), hold_request(wallet, "b", 31))
    settle(paid(held.hold_id, 1_000))

    assert refused == Insufficient(needed=31, available=30)
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.held) == (-50, 0)
    proven(wallet)


def test_many_wallets_in_one_batch_settle_each_its_own():
    wallets = [WalletFactory() for _ in range(5)]
    requests = [hold_request(wallets[n % 5], f"call-{n}", 10) for n in range(100)]

    async def work():
        ledger = get_ledger()

        async def call(request):
            held = await ledger.hold(request)
            await ledger.settle(paid(held.hold_id, 7))

        await asyncio.gather(*map(call, requests))

    run(work)

    for wallet in wallets:
        wallet.refresh_from_db()
        assert (wallet.balance, wallet.held) == (1_000_000 - 140, 0)
        proven(wallet)


@pytest.mark.parametrize(
    "text",
    ['a "quoted" word', "back\\slash", "{braces, and commas}", "NULL", "", "语言 🙂\nline", "%s"],
)
def test_any_text_arrives_as_it_was(text):
    wallet = WalletFactory()
    (held,) = hold(hold_request(wallet, ref=f"ref {text}", model=text, node_id=text))

    settle(paid(held.hold_id, 1, answer=text or "x", deployment=text))

    row, usage = Hold.objects.get(), UsageRecord.objects.get()
    assert (row.billing_ref, row.model, row.answer) == (f"ref {text}", text, text or "x")
    assert (usage.node_id, usage.deployment) == (text, text)


def in_threads(work, items):
    """Each item on a thread, with a loop, a ledger and connections of its own, like a process."""

    def alone(item):
        try:
            return work(item)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        return list(threads.map(alone, items))


def test_several_processes_on_one_wallet_never_hold_more_than_there_is():
    wallet = WalletFactory(balance=3_050)

    found = in_threads(
        lambda name: hold(*(hold_request(wallet, f"{name}-{n}", 100) for n in range(20))), "abc"
    )

    held = [outcome for outcomes in found for outcome in outcomes if isinstance(outcome, Held)]
    assert len(held) == 30
    wallet.refresh_from_db()
    assert wallet.held == 3_000
    proven(wallet)


def test_a_hold_settled_twice_and_released_at_the_same_moment_ends_once():
    wallet = WalletFactory()
    held = hold(*(hold_request(wallet, f"call-{n}", 100) for n in range(12)))

    def close(item):
        who, hold_id = item
        if who != "upkeep":
            settle(paid(hold_id, 70))
            return
        with contextlib.suppress(HoldNotOpen):
            release_hold(actor=system_actor(wallet.organization_id), hold_id=hold_id)

    in_threads(close, [(who, one.hold_id) for one in held for who in ("one", "other", "upkeep")])

    wallet.refresh_from_db()
    assert wallet.held == 0
    assert wallet.balance == 1_000_000 - 70 * Hold.objects.filter(state="captured").count()
    assert UsageRecord.objects.count() == 12
    proven(wallet)


def test_a_connection_that_was_cut_is_replaced_and_nothing_is_lost():
    wallet = WalletFactory()

    async def work():
        ledger = get_ledger()
        held = await ledger.hold(hold_request(wallet))
        await asyncio.to_thread(cut_connections)
        return await ledger.settle(paid(held.hold_id, 40))

    assert run(work).captured == 40
    proven(wallet)


def cut_connections():
    """What a restart of the database server does to the ledger's connections."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND query LIKE '%billing_hold%'"
            )
    connections.close_all()


def test_a_ledger_of_a_closed_loop_is_not_handed_on():
    async def work():
        first = get_ledger()
        await close_ledger()
        return first is get_ledger()

    assert run(work) is False


@pytest.mark.parametrize(
    "change", ["UPDATE billing_ledgerentry SET amount = 0", "DELETE FROM billing_ledgerentry"]
)
def test_the_database_refuses_to_rewrite_the_ledger(change):
    WalletFactory()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(change)

    assert LedgerEntry.objects.get().amount == 1_000_000


@pytest.mark.parametrize("change", [{"held": -1}, {"held": 1_000_001}, {"balance": -1}])
def test_the_database_refuses_impossible_wallets(change):
    wallet = WalletFactory()

    with pytest.raises(DatabaseError), transaction.atomic():
        Wallet.objects.filter(pk=wallet.pk).update(**change)

    wallet.refresh_from_db()
    assert (wallet.balance, wallet.held) == (1_000_000, 0)
