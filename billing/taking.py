"""What billing hands out of an organization. It erases nothing, ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from billing.models import LedgerEntry, Price, UsageRecord, Wallet
from orgs.closing import plain_rows, register_source


def wallet_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Wallet.objects.of(organization_id)
    yield from plain_rows(rows, "id", "balance", "held")


def ledger_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    names = ("id", "kind", "debit", "credit", "amount", "balance_after", "ref", "note")
    yield from plain_rows(LedgerEntry.objects.of(organization_id), *names, "trace_id", "created_at")


def usage_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    names = ("id", "model", "outcome", "usage_source", "cost", "run_id", "trace_id", "created_at")
    yield from plain_rows(UsageRecord.objects.of(organization_id), *names)


def price_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Price.objects.filter(organization_id=organization_id)
    yield from plain_rows(rows, *(field.attname for field in Price._meta.concrete_fields))


def contribute() -> None:
    for name, rows in (
        ("wallet", wallet_rows),
        ("ledger", ledger_rows),
        ("usage", usage_rows),
        ("prices", price_rows),
    ):
        register_source(name, rows)
