"""Topping up, adjusting, refunding, releasing, pricing: through the actions."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils.timezone import now

from audit.models import Entry
from billing.actions import (
    adjust_wallet,
    refund_capture,
    release_hold,
    set_price,
    top_up_wallet,
)
from billing.errors import (
    HoldNotOpen,
    InsufficientFunds,
    PriceTaken,
    ReferenceUsed,
    RefundTooLarge,
)
from billing.models import LedgerEntry, Price, UsageRecord, Wallet
from billing.prices import PriceTag, prices_of
from billing.proof import account_totals, prove_all, prove_wallet
from billing.tasks import settle_overdue_holds
from billing.tests.factories import PriceFactory, WalletFactory
from billing.tests.rows import captured_hold, open_hold
from core.errors import InvalidInput, NotFound, PermissionRefused
from orgs.tests.factories import OrganizationFactory, actor_in

pytestmark = pytest.mark.django_db


def test_a_wallet_is_opened_on_first_use_and_only_once():
    organization = OrganizationFactory()

    assert Wallet.objects.for_organization(organization.pk) == Wallet.objects.for_organization(
        organization.pk
    )
    assert Wallet.objects.get().available == 0


def test_a_top_up_is_booked_audited_and_repeatable():
    actor = actor_in(OrganizationFactory(), "finance")

    first = top_up_wallet(actor=actor, amount=500, ref="bank-1", note="wire")
    second = top_up_wallet(actor=actor, amount=500, ref="bank-1")

    assert first == second
    assert (first.debit, first.credit, first.balance_after, first.user_id) == (
        "funding",
        "wallet",
        500,
        actor.user_id,
    )
    assert Wallet.objects.get().balance == 500
    assert Entry.objects.get().action == "billing.wallet.topped_up"
    assert Entry.objects.get().trace_id == first.trace_id
    assert not prove_wallet(Wallet.objects.get()).differences


@pytest.mark.parametrize("amount", [0, -5, 10**16, True, 1.5])
def test_an_impossible_amount_is_refused(amount):
    with pytest.raises(InvalidInput):
        top_up_wallet(actor=actor_in(OrganizationFactory()), amount=amount, ref="bank-1")

    assert not LedgerEntry.objects.exists()
    assert not Entry.objects.exists()


def test_a_reference_of_another_top_up_is_refused():
    actor = actor_in(OrganizationFactory())
    top_up_wallet(actor=actor, amount=500, ref="bank-1")

    with pytest.raises(ReferenceUsed):
        top_up_wallet(actor=actor, amount=501, ref="bank-1")

    assert Wallet.objects.get().balance == 500


@pytest.mark.parametrize("role", ["admin", "builder", "approver", "member", "guest"])
def test_only_owner_and_finance_top_up(role):
    organization = OrganizationFactory()

    with pytest.raises(PermissionRefused):
        top_up_wallet(actor=actor_in(organization, role), amount=1, ref="x")

    assert not LedgerEntry.objects.exists()


def test_an_adjustment_goes_both_ways_but_never_below_what_is_held():
    wallet = WalletFactory(balance=1_000)
    open_hold(wallet, 300)
    actor = actor_in(wallet.organization)

    adjust_wallet(actor=actor, amount=-700, ref="a", reason="agreed")
    with pytest.raises(InsufficientFunds):
        adjust_wallet(actor=actor, amount=-1, ref="b", reason="too far")
    entry = adjust_wallet(actor=actor, amount=50, ref="c", reason="goodwill")

    wallet.refresh_from_db()
    assert (wallet.balance, entry.balance_after) == (350, 350)
    assert not prove_wallet(wallet).differences
    assert Entry.objects.filter(action="billing.wallet.adjusted").count() == 2


def test_a_refund_is_a_new_entry_and_never_more_than_was_captured():
    wallet = WalletFactory(balance=1_000)
    hold, actor = captured_hold(wallet), actor_in(wallet.organization)

    entry = refund_capture(actor=actor, hold_id=hold.pk, amount=60, ref="r1", reason="bad answer")
    again = refund_capture(actor=actor, hold_id=hold.pk, amount=60, ref="r1", reason="bad answer")
    with pytest.raises(RefundTooLarge) as caught:
        refund_capture(actor=actor, hold_id=hold.pk, amount=41, ref="r2", reason="more")

    assert entry == again
    assert caught.value.detail == {"refundable": 40}
    assert (entry.debit, entry.credit, entry.balance_after) == ("sales", "wallet", 960)
    assert hold.entries.count() == 2
    assert not prove_wallet(wallet).differences


def test_a_hold_of_another_organization_cannot_be_refunded_or_released():
    hold = captured_hold(WalletFactory())
    stranger = actor_in(OrganizationFactory())

    with pytest.raises(NotFound):
        refund_capture(actor=stranger, hold_id=hold.pk, amount=1, ref="r", reason="mine?")
    with pytest.raises(NotFound):
        release_hold(actor=stranger, hold_id=hold.pk)

    assert not Entry.objects.exists()


def test_a_released_hold_frees_the_money_and_is_flagged():
    wallet = WalletFactory()
    hold = open_hold(wallet, trace_id="c" * 32)

    release_hold(actor=actor_in(wallet.organization), hold_id=hold.pk, reason="stuck")
    with pytest.raises(HoldNotOpen):
        release_hold(actor=actor_in(wallet.organization), hold_id=hold.pk)

    wallet.refresh_from_db()
    assert (wallet.held, wallet.balance) == (0, 1_000_000)
    assert UsageRecord.objects.get().outcome == "unsettled"
    assert Entry.objects.get().trace_id == "c" * 32


def test_overdue_holds_are_released_once_and_others_left_alone():
    wallet = WalletFactory()
    overdue = open_hold(wallet, expires_at=now() - timedelta(seconds=1))
    young = open_hold(wallet)

    assert settle_overdue_holds() == 1
    assert settle_overdue_holds() == 0

    overdue.refresh_from_db()
    young.refresh_from_db()
    assert (overdue.state, young.state) == ("released", "open")
    assert not prove_wallet(wallet).differences


def test_every_wallet_is_proven_in_the_same_number_of_queries(django_assert_num_queries):
    for _ in range(3):
        captured_hold(WalletFactory())
    with django_assert_num_queries(6):
        proofs = prove_all()

    assert [proof.differences for proof in proofs] == [[], [], []]
    assert sum(account_totals().values()) == 0
    assert account_totals()["wallet"] == 3 * (1_000_000 - 100)


@pytest.mark.django_db(transaction=True)
def test_the_proof_command_names_a_wallet_that_does_not_add_up(capsys):
    wallet = WalletFactory()
    call_command("prove_ledger")
    assert "1 wallets, 0 with differences" in capsys.readouterr().out

    Wallet.objects.filter(pk=wallet.pk).update(balance=5)
    with pytest.raises(SystemExit) as caught:
        call_command("prove_ledger")

    assert caught.value.code == 1
    assert "balance: 5 != 1000000" in capsys.readouterr().out


def test_prices_an_organizations_own_go_before_the_common_one_and_newer_before_older():
    organization = OrganizationFactory()
    PriceFactory(model="a", input=1)
    PriceFactory(
        model="a", input=2, organization=organization, valid_from=now() - timedelta(days=1)
    )
    PriceFactory(model="a", input=3, organization=organization)
    PriceFactory(
        model="a", input=4, organization=organization, valid_from=now() + timedelta(days=1)
    )
    PriceFactory(model="b", input=5)
    PriceFactory(model="c", input=6, organization=OrganizationFactory())

    assert {name: tag.input for name, tag in prices_of(organization.pk).items()} == {"a": 3, "b": 5}


def test_cost_is_exact_and_rounds_a_fraction_of_a_nano_up():
    tag = PriceTag(
        None, "m", input=150_000_000, cached_input=75_000_000, output=600_000_001, per_call=9
    )

    assert tag.cost(0, 0) == 9
    assert tag.cost(1_000_000, 0) == 150_000_009
    assert tag.cost(10, 1) == 9 + 1500 + 601
    assert tag.cost(10, 0, cached=4) == 9 + 900 + 300
    assert tag.cost(10, 0, cached=99) == 9 + 750
    assert tag.cost(10, tag.affordable_output(1_000_000, 10)) <= 1_000_000
    assert tag.cost(10, tag.affordable_output(1_000_000, 10) + 1) > 1_000_000
    assert tag.affordable_output(5, 10) == 0


def test_a_price_is_set_for_the_own_organization_and_audited():
    actor = actor_in(OrganizationFactory(), "admin")
    at = now()

    price = set_price(actor=actor, model="m", input_price=5, output_price=7, valid_from=at)
    with pytest.raises(PriceTaken):
        set_price(actor=actor, model="m", input_price=6, output_price=7, valid_from=at)

    assert (price.organization_id, price.cached_input) == (actor.organization_id, 5)
    assert Price.objects.count() == Entry.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "error"), [({"input_price": -1}, InvalidInput), ({"model": ""}, InvalidInput)]
)
def test_an_impossible_price_is_refused(fields, error):
    with pytest.raises(error):
        set_price(
            actor=actor_in(OrganizationFactory()),
            **{"model": "m", "input_price": 1, "output_price": 1, **fields},
        )

    assert not Price.objects.exists()
