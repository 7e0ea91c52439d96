"""What money has under a trace: calls, holds, movements of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from billing.models import Hold, LedgerEntry, UsageRecord, Wallet
from orgs.access import Actor
from orgs.models import ApiKey
from orgs.trails import TRACES, Clue, Item, Scope, Source, Wanted, register


def contribute() -> None:
    register(
        Source(
            kind="hold", label=_("Hold"), icon="lock_clock", order=40, verb="wallet.view",
            at="created_at", rows=_holds, show=_show_hold, find=_find_hold,
        )
    )  # fmt: skip
    register(
        Source(
            kind="call", label=_("Model call"), icon="neurology", order=50, verb="usage.view",
            at="created_at", rows=_calls, show=_show_call, find=_find_call,
            key=_call_keys, by_key=_calls_by_key,
        )
    )  # fmt: skip
    register(
        Source(
            kind="ledger", label=_("Ledger"), icon="receipt_long", order=60, verb="wallet.view",
            at="created_at", rows=_ledger, show=_show_entry, find=_find_entry,
        )
    )  # fmt: skip


def _seen(actor: Actor | None, model: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = model.objects.all() if actor is None else model.objects.visible_to(actor)
    return rows


def _under(scope: Scope, model: Any, run: str = "run_id") -> QuerySet[Any]:
    rows = _seen(scope.actor, model).filter(trace_id__in=scope.traces)
    return rows.exclude(**{f"{run}__in": scope.hidden}) if scope.hidden else rows


# -- holds


def _holds(scope: Scope) -> QuerySet[Hold]:
    return _under(scope, Hold).defer("answer")


def _show_hold(row: Hold) -> Item:
    return Item(
        kind="hold",
        at=row.created_at,
        id=str(row.pk),
        title=row.model or row.billing_ref,
        trace_id=row.trace_id,
        state=row.state,
        ms=_between(row.created_at, row.settled_at),
        row=("billing_hold", row.pk),
        organization_id=row.organization_id,
        user_id=row.user_id,
        api_key_id=row.api_key_id,
        data={
            "reference": row.billing_ref,
            "amount": row.amount,
            "captured": row.captured,
            "shortfall": row.shortfall,
            "run": row.run_id,
            "node": row.node_id,
        },
    )


def _find_hold(actor: Actor | None, wanted: Wanted) -> Iterator[Clue]:
    if wanted.uuid is not None:
        yield from map(_clue, _seen(actor, Hold).filter(pk=wanted.uuid))
    if actor is not None:  # a reference is unique in a wallet, and found through it
        wallets = Wallet.objects.of(actor.organization_id).values_list("pk", flat=True)
        for wallet_id in list(wallets):
            found = Hold.objects.filter(wallet_id=wallet_id, billing_ref=wanted.text, live=True)
            yield from map(_clue, found)


# -- calls


def _calls(scope: Scope) -> QuerySet[UsageRecord]:
    return _under(scope, UsageRecord)


def _show_call(row: UsageRecord) -> Item:
    return Item(
        kind="call",
        at=row.created_at,
        id=str(row.hold_id),
        title=row.model,
        trace_id=row.trace_id,
        state=row.outcome,
        cost=row.cost,
        ms=row.latency_ms,
        url=reverse("usage"),
        row=("billing_usagerecord", row.pk),
        organization_id=row.organization_id,
        user_id=row.user_id,
        api_key_id=row.api_key_id,
        data={
            "prompt_tokens": row.prompt_tokens,
            "cached_tokens": row.cached_tokens,
            "completion_tokens": row.completion_tokens,
            "provider": row.deployment,
            "run": row.run_id,
            "node": row.node_id,
            "key": str(row.api_key_id or ""),
        },
    )


def _find_call(actor: Actor | None, wanted: Wanted) -> Iterator[Clue]:
    if wanted.number is not None:
        yield from map(_clue, _seen(actor, UsageRecord).filter(pk=wanted.number))


def _call_keys(scope: Scope) -> QuerySet[Any]:
    return _calls(scope).filter(api_key_id__isnull=False).annotate(acting=F("api_key_id"))


def _calls_by_key(actor: Actor | None, key: ApiKey) -> Iterator[Clue]:
    rows = UsageRecord.objects.filter(organization_id=key.organization_id, api_key_id=key.pk)
    yield from map(_clue, rows.order_by("-pk")[: TRACES + 1])


# -- movements


def _ledger(scope: Scope) -> QuerySet[LedgerEntry]:
    return _under(scope, LedgerEntry, "hold__run_id")


def _show_entry(row: LedgerEntry) -> Item:
    return Item(
        kind="ledger",
        at=row.created_at,
        id=str(row.pk),
        title=f"{row.debit} → {row.credit}",
        trace_id=row.trace_id,
        state=row.kind,
        cost=row.amount,
        url=reverse("usage"),
        row=("billing_ledgerentry", row.pk),
        organization_id=row.organization_id,
        user_id=row.user_id,
        data={
            "balance_after": row.balance_after,
            "hold": str(row.hold_id or ""),
            "reference": row.ref or "",
            "note": row.note,
        },
    )


def _find_entry(actor: Actor | None, wanted: Wanted) -> Iterator[Clue]:
    if wanted.number is not None:
        yield from map(_clue, _seen(actor, LedgerEntry).filter(pk=wanted.number))


def _clue(row: Any) -> Clue:
    kinds = {Hold: "hold", UsageRecord: "call", LedgerEntry: "ledger"}
    title = str(row.model) if hasattr(row, "model") else str(row.kind)
    run = str(getattr(row, "run_id", ""))
    return Clue(row.trace_id, kinds[type(row)], title, row.created_at, row.organization_id, run)


def _between(start: Any, end: Any) -> int | None:
    return round((end - start).total_seconds() * 1000) if end else None
