"""Every change to money but the hot path's (billing/ledger): one transaction, one audit entry."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils.timezone import now

from audit.actions import record
from billing.errors import (
    HoldNotOpen,
    InsufficientFunds,
    PriceTaken,
    ReferenceUsed,
    RefundTooLarge,
)
from billing.models import Hold, LedgerEntry, Price, UsageRecord, Wallet
from core.errors import InvalidInput, NotFound
from core.trace import current_trace_id
from orgs.access import Actor, require

LARGEST = 1_000_000 * 1_000_000_000
"""A million in one movement; more is a slip of the keyboard."""

Account, Kind = LedgerEntry.Account, LedgerEntry.Kind


@transaction.atomic
def top_up_wallet(*, actor: Actor, amount: int, ref: str, note: str = "") -> LedgerEntry:
    """Pay `amount` nanos in. Repeating a `ref` returns its entry and moves nothing.

    Raises ReferenceUsed when `ref` names another movement.
    """
    require(actor, "wallet.topup")
    _check_amount(amount)
    if not ref:
        raise InvalidInput("A top-up needs a reference.", field="ref")
    wallet = _locked_wallet(actor.organization_id)
    if known := wallet.entries.filter(ref=ref).first():
        if (known.kind, known.amount) != (Kind.TOPUP, amount):
            raise ReferenceUsed("This reference was used for another movement.", ref=ref)
        return known
    entry = _book(wallet, Kind.TOPUP, Account.FUNDING, amount, actor, ref=ref, note=note)
    _note("billing.wallet.topped_up", actor, wallet, amount=amount, ref=ref)
    return entry


@transaction.atomic
def adjust_wallet(*, actor: Actor, amount: int, ref: str, reason: str) -> LedgerEntry:
    """Correct a balance by `amount` nanos, up or down, for a stated reason. Operators only."""
    require(actor, "wallet.topup")
    _check_amount(abs(amount))
    if not (ref and reason.strip()):
        raise InvalidInput("An adjustment needs a reference and a reason.")
    wallet = _locked_wallet(actor.organization_id)
    if known := wallet.entries.filter(ref=ref).first():
        if (known.kind, known.signed) != (Kind.ADJUST, amount):
            raise ReferenceUsed("This reference was used for another movement.", ref=ref)
        return known
    if wallet.available + amount < 0:
        raise InsufficientFunds(
            "The wallet does not cover this.", needed=-amount, available=wallet.available
        )
    entry = _book(wallet, Kind.ADJUST, Account.ADJUSTMENT, amount, actor, ref=ref, note=reason)
    _note("billing.wallet.adjusted", actor, wallet, amount=amount, ref=ref, reason=reason)
    return entry


@transaction.atomic
def refund_capture(
    *, actor: Actor, hold_id: UUID, amount: int, ref: str, reason: str
) -> LedgerEntry:
    """Give back part or all of what a call cost: never more than was captured.

    History stays: a refund is a new entry beside the capture. Repeating a `ref` returns its entry.
    """
    require(actor, "wallet.topup")
    _check_amount(amount)
    if not (ref and reason.strip()):
        raise InvalidInput("A refund needs a reference and a reason.")
    wallet = _locked_wallet(actor.organization_id)
    hold = _hold_of(wallet, hold_id)
    if known := wallet.entries.filter(ref=ref).first():
        if (known.kind, known.amount, known.hold_id) != (Kind.REFUND, amount, hold.pk):
            raise ReferenceUsed("This reference was used for another movement.", ref=ref)
        return known
    refunded = hold.entries.filter(kind=Kind.REFUND).aggregate(total=Sum("amount"))["total"] or 0
    if amount > hold.captured - refunded:
        raise RefundTooLarge(
            "More than this call cost cannot be refunded.", refundable=hold.captured - refunded
        )
    entry = _book(
        wallet, Kind.REFUND, Account.SALES, amount, actor, ref=ref, note=reason, hold=hold
    )
    _note("billing.capture.refunded", actor, wallet, amount=amount, hold=str(hold.pk), ref=ref)
    return entry


@transaction.atomic
def release_hold(*, actor: Actor, hold_id: UUID, reason: str = "") -> Hold:
    """Close an open hold whose call will never settle; nothing is charged.

    Its usage record says `unsettled`: what the provider counted, if anything, is for
    reconciliation to find. Raises HoldNotOpen.
    """
    require(actor, "wallet.topup")
    wallet = _locked_wallet(actor.organization_id)  # before the hold, as the ledger does
    hold = _hold_of(wallet, hold_id, lock=True)
    if hold.state != Hold.State.OPEN:
        raise HoldNotOpen("This hold is settled already.", hold=str(hold.pk), state=hold.state)
    hold.state, hold.live, hold.settled_at = Hold.State.RELEASED, False, now()
    hold.save(update_fields=["state", "live", "settled_at"])
    wallet.held -= hold.amount
    wallet.save(update_fields=["held"])
    UsageRecord.objects.create(
        organization_id=wallet.organization_id,
        wallet=wallet,
        hold=hold,
        model=hold.model,
        usage_source=UsageRecord.Source.NONE,
        outcome=UsageRecord.Outcome.UNSETTLED,
        trace_id=hold.trace_id,
        run_id=hold.run_id,
        node_id=hold.node_id,
        api_key_id=hold.api_key_id,
        user_id=hold.user_id,
    )
    record(
        "billing.hold.released",
        actor=actor,
        target_type="hold",
        target_id=hold.pk,
        summary=reason,
        data={"amount": hold.amount, "ref": hold.billing_ref},
        trace_id=hold.trace_id or None,
    )
    return hold


@transaction.atomic
def set_price(
    *,
    actor: Actor,
    model: str,
    input_price: int,
    output_price: int,
    cached_input_price: int | None = None,
    per_call: int = 0,
    valid_from: datetime | None = None,
) -> Price:
    """What `model` costs the actor's organization from `valid_from` (now) on.

    Nanos per 1,000,000 tokens; cached input costs what input costs unless it is named. Earlier
    prices stay as they were. Raises PriceTaken when one starts at the same moment.
    """
    require(actor, "model.manage")
    rates = {
        "input": input_price,
        "cached_input": input_price if cached_input_price is None else cached_input_price,
        "output": output_price,
        "per_call": per_call,
    }
    wrong = sorted(name for name, rate in rates.items() if not 0 <= rate <= LARGEST)
    if wrong or not model:
        raise InvalidInput("A price is a number from zero up.", fields=wrong)
    try:
        with transaction.atomic():
            price = Price.objects.create(
                organization_id=actor.organization_id,
                model=model,
                valid_from=valid_from or now(),
                **rates,
            )
    except IntegrityError:
        raise PriceTaken("A price from that moment on exists already.", model=model) from None
    record(
        "billing.price.set",
        actor=actor,
        target_type="price",
        target_id=price.pk,
        summary=model,
        data={**rates, "valid_from": price.valid_from.isoformat()},
    )
    return price


def _locked_wallet(organization_id: UUID) -> Wallet:
    Wallet.objects.for_organization(organization_id)
    return Wallet.objects.select_for_update().get(organization_id=organization_id)


def _hold_of(wallet: Wallet, hold_id: UUID, *, lock: bool = False) -> Hold:
    rows = wallet.holds.select_for_update() if lock else wallet.holds
    hold = rows.filter(pk=hold_id).first()
    if hold is None:
        raise NotFound("There is no such hold.")
    return hold


def _check_amount(amount: int) -> None:
    if type(amount) is not int or not 0 < amount <= LARGEST:
        raise InvalidInput("The amount must be above zero.", field="amount", largest=LARGEST)


def _book(
    wallet: Wallet,
    kind: str,
    account: str,
    amount: int,
    actor: Actor,
    *,
    ref: str,
    note: str,
    hold: Hold | None = None,
) -> LedgerEntry:
    """Move `amount` (negative: out) between `account` and the wallet, which must be locked."""
    wallet.balance += amount
    wallet.save(update_fields=["balance"])
    into = amount > 0
    return LedgerEntry.objects.create(
        organization_id=wallet.organization_id,
        wallet=wallet,
        kind=kind,
        debit=account if into else Account.WALLET,
        credit=Account.WALLET if into else account,
        amount=abs(amount),
        balance_after=wallet.balance,
        hold=hold,
        ref=ref[:255],
        note=note[:255],
        trace_id=current_trace_id(),
        user_id=actor.user_id,
    )


def _note(action: str, actor: Actor, wallet: Wallet, **data: str | int) -> None:
    record(
        action,
        actor=actor,
        target_type="wallet",
        target_id=wallet.pk,
        data={**data, "balance": wallet.balance},
    )
