"""Proving wallets from their history: the ledger, the holds and the usage must tell one story."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField, Case, F, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from billing.models import Hold, LedgerEntry, UsageRecord, Wallet

Sums = Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class Proof:
    """A wallet's figures beside what its history adds up to. All nanos."""

    wallet_id: UUID
    organization_id: UUID
    balance: int
    ledger_balance: int
    held: int
    open_holds: int
    captured_holds: int
    captured_entries: int
    usage_cost: int

    @property
    def differences(self) -> list[str]:
        """What does not add up; empty when the wallet is proven."""
        pairs = {
            "balance": (self.balance, self.ledger_balance),
            "held": (self.held, self.open_holds),
            "captures": (self.captured_holds, self.captured_entries),
            "usage": (self.captured_holds, self.usage_cost),
        }
        return [f"{name}: {a} != {b}" for name, (a, b) in pairs.items() if a != b]


def prove_wallet(wallet: Wallet) -> Proof:
    """The wallet as the database holds it now; the passed row may be stale."""
    return next(iter(prove_all(Wallet.objects.filter(pk=wallet.pk))))


def prove_all(wallets: QuerySet[Wallet] | None = None) -> list[Proof]:
    """Six queries whatever the number of wallets. Call it in a transaction where calls go on."""
    wallets = Wallet.objects.all() if wallets is None else wallets
    chosen: QuerySet[Any, Any] = wallets.values("pk")
    entries = LedgerEntry.objects.filter(wallet__in=chosen)
    holds = Hold.objects.filter(wallet__in=chosen)
    sign = Case(When(credit="wallet", then=1), default=-1, output_field=BigIntegerField())
    ledger = _sums(entries, F("amount") * sign)
    captured_entries = _sums(entries.filter(kind=LedgerEntry.Kind.CAPTURE), F("amount"))
    open_holds = _sums(holds.filter(state=Hold.State.OPEN), F("amount"))
    captured_holds = _sums(holds, F("captured"))
    usage = _sums(UsageRecord.objects.filter(wallet__in=chosen), F("cost"))
    return [
        Proof(
            wallet_id=row.pk,
            organization_id=row.organization_id,
            balance=row.balance,
            ledger_balance=ledger.get(row.pk, 0),
            held=row.held,
            open_holds=open_holds.get(row.pk, 0),
            captured_holds=captured_holds.get(row.pk, 0),
            captured_entries=captured_entries.get(row.pk, 0),
            usage_cost=usage.get(row.pk, 0),
        )
        for row in wallets.order_by("pk")
    ]


def account_totals() -> dict[str, int]:
    """Credits minus debits by account over the whole ledger: together they are zero."""
    totals = dict.fromkeys(LedgerEntry.Account.values, 0)
    for side, sign in (("debit", -1), ("credit", 1)):
        for row in LedgerEntry.objects.order_by().values(side).annotate(total=Sum("amount")):
            totals[row[side]] += sign * row["total"]
    return totals


def _sums(rows: QuerySet[Any], amount: Any) -> Sums:
    grouped: Iterable[dict[str, Any]] = (
        rows.order_by().values("wallet_id").annotate(total=Coalesce(Sum(amount), 0))
    )
    return {row["wallet_id"]: int(row["total"]) for row in grouped}
