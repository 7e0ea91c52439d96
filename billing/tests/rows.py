"""Holds and what they leave, as the ledger writes it: history without concurrency."""

from datetime import timedelta

from django.utils.timezone import now

from billing.models import Hold, LedgerEntry, UsageRecord


def open_hold(wallet, amount=100, **fields):
    wallet.held += amount
    wallet.save()
    fields = {"expires_at": now() + timedelta(minutes=15), "model": "gpt-test", **fields}
    ref = f"ref-{Hold.objects.count()}"
    return Hold.objects.create(
        organization_id=wallet.organization_id,
        wallet=wallet,
        amount=amount,
        billing_ref=ref,
        **fields,
    )


def captured_hold(wallet, amount=100, **usage):
    """A paid call; `usage` overrides fields of its usage record."""
    hold = open_hold(wallet, amount, trace_id="b" * 32)
    Hold.objects.filter(pk=hold.pk).update(state="captured", captured=amount, settled_at=now())
    wallet.held -= amount
    wallet.balance -= amount
    wallet.save()
    LedgerEntry.objects.create(
        organization_id=wallet.organization_id,
        wallet=wallet,
        kind="capture",
        debit="wallet",
        credit="sales",
        amount=amount,
        balance_after=wallet.balance,
        hold=hold,
        trace_id=hold.trace_id,
    )
    usage = {"model": "gpt-test", "usage_source": "provider", "outcome": "ok", **usage}
    UsageRecord.objects.create(
        organization_id=wallet.organization_id,
        wallet=wallet,
        hold=hold,
        cost=amount,
        trace_id=hold.trace_id,
        **usage,
    )
    hold.refresh_from_db()
    return hold
