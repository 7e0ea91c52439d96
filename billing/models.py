"""Wallets, holds, the ledger, prices and usage. Every amount is in nanos (1e-9 of the currency)."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from orgs.visibility import Place, VisibleQuerySet

NANOS = 1_000_000_000


class WalletQuerySet(VisibleQuerySet):
    place = Place("wallet.view")

    def for_organization(self, organization_id: UUID | str) -> Wallet:
        """The organization's wallet, opened empty on first use; callers may race."""
        wallet: Wallet = self.get_or_create(organization_id=organization_id)[0]
        return wallet


class Wallet(models.Model):
    """What an organization can spend. `held` is the sum of its open holds."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.OneToOneField(
        "orgs.Organization", models.PROTECT, related_name="wallet", verbose_name=_("organization")
    )
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    balance = models.BigIntegerField(_("balance"), default=0)
    held = models.BigIntegerField(_("held"), default=0)
    credit_limit = models.BigIntegerField(_("credit limit"), default=0)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = WalletQuerySet.as_manager()

    class Meta:
        verbose_name = _("wallet")
        verbose_name_plural = _("wallets")
        constraints = (
            models.CheckConstraint(name="wallet_held_positive", condition=Q(held__gte=0)),
            models.CheckConstraint(name="wallet_credit_positive", condition=Q(credit_limit__gte=0)),
            models.CheckConstraint(
                name="wallet_covers_held", condition=Q(balance__gte=F("held") - F("credit_limit"))
            ),
        )

    def __str__(self) -> str:
        return f"wallet {self.pk}"

    @property
    def available(self) -> int:
        return self.balance + self.credit_limit - self.held


class WalletRowQuerySet(VisibleQuerySet):
    """Rows that belong to an organization through their wallet.

    Money is the organization's as a whole: whoever may see it sees all of it. Its rows name runs
    and nodes by id alone.
    """

    place = Place("wallet.view")

    def of(self, organization_id: UUID | str) -> Self:
        return self.filter(wallet__organization_id=organization_id)


class HoldQuerySet(WalletRowQuerySet):
    def overdue(self, at: datetime) -> Self:
        return self.filter(state=Hold.State.OPEN, expires_at__lt=at)


class Hold(models.Model):
    """Money set aside for one model call.

    `billing_ref` makes placing it idempotent. A call that did not come to its end frees its
    reference (`live` goes false), so a retry under the same reference is a new hold and the
    history of the failed one stays.
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CAPTURED = "captured", _("captured")
        RELEASED = "released", _("released")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization_id = models.UUIDField(_("organization"), editable=False)
    # No index of its own: the hot path finds holds by id or reference, and pays for every index.
    wallet = models.ForeignKey(Wallet, models.PROTECT, related_name="holds", db_index=False)
    billing_ref = models.CharField(_("reference"), max_length=255)
    request_hash = models.CharField(max_length=64, blank=True, default="")
    amount = models.BigIntegerField(_("amount"))
    captured = models.BigIntegerField(_("captured"), default=0)
    shortfall = models.BigIntegerField(_("shortfall"), default=0)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    live = models.BooleanField(default=True)
    model = models.CharField(_("model"), max_length=120, blank=True, default="")
    price_id = models.UUIDField(null=True, blank=True)
    answer = models.TextField(null=True, blank=True)  # noqa: DJ001 - null: none was kept
    trace_id = models.CharField(_("trace"), max_length=32, blank=True, default="", db_index=True)
    run_id = models.CharField(_("run"), max_length=36, blank=True, default="")
    node_id = models.CharField(_("node"), max_length=120, blank=True, default="")
    api_key_id = models.UUIDField(null=True, blank=True)
    user_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"))

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        constraints = (
            models.UniqueConstraint(
                name="hold_ref_once", fields=("wallet", "billing_ref"), condition=Q(live=True)
            ),
            models.CheckConstraint(name="hold_amount_positive", condition=Q(amount__gte=0)),
            models.CheckConstraint(
                name="hold_captured_positive", condition=Q(captured__gte=0, shortfall__gte=0)
            ),
            models.CheckConstraint(
                name="hold_only_captured_pays", condition=Q(captured=0) | Q(state="captured")
            ),
        )
        indexes = (
            models.Index(name="hold_open", fields=("expires_at",), condition=Q(state="open")),
        )

    def __str__(self) -> str:
        return self.billing_ref


class LedgerEntryQuerySet(WalletRowQuerySet):
    pass


class LedgerEntry(models.Model):
    """One double entry: `amount` leaves account `debit` and enters account `credit`.

    A wallet is what the house owes its customer, so a credit raises it. Append-only: the
    database refuses UPDATE and DELETE (migration 0002).
    """

    class Kind(models.TextChoices):
        TOPUP = "topup", _("top-up")
        CAPTURE = "capture", _("capture")
        REFUND = "refund", _("refund")
        ADJUST = "adjust", _("adjustment")

    class Account(models.TextChoices):
        WALLET = "wallet", _("wallet")
        FUNDING = "funding", _("funding")
        SALES = "sales", _("sales")
        ADJUSTMENT = "adjustment", _("adjustments")

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField(_("organization"), editable=False)
    wallet = models.ForeignKey(Wallet, models.PROTECT, related_name="entries", db_index=False)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    debit = models.CharField(_("debit"), max_length=10, choices=Account)
    credit = models.CharField(_("credit"), max_length=10, choices=Account)
    amount = models.BigIntegerField(_("amount"))
    balance_after = models.BigIntegerField(_("balance after"))
    # Written in the statement that closes the hold; a constraint would only cost time there.
    hold = models.ForeignKey(
        Hold, models.PROTECT, null=True, blank=True, related_name="entries", db_constraint=False
    )
    ref = models.CharField(_("reference"), max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    note = models.CharField(_("note"), max_length=255, blank=True, default="")
    trace_id = models.CharField(_("trace"), max_length=32, blank=True, default="", db_index=True)
    user_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = LedgerEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        constraints = (
            models.CheckConstraint(name="entry_amount_positive", condition=Q(amount__gte=0)),
            models.CheckConstraint(
                name="entry_touches_wallet_once",
                condition=(Q(debit="wallet") & ~Q(credit="wallet"))
                | (Q(credit="wallet") & ~Q(debit="wallet")),
            ),
            models.UniqueConstraint(
                name="entry_ref_once", fields=("wallet", "ref"), condition=Q(ref__isnull=False)
            ),
            models.UniqueConstraint(
                name="entry_capture_once", fields=("hold",), condition=Q(kind="capture")
            ),
        )
        indexes = (models.Index(name="entry_of_wallet", fields=("wallet", "-id")),)

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def signed(self) -> int:
        """What the entry did to the wallet's balance."""
        return self.amount if self.credit == self.Account.WALLET else -self.amount


class PriceQuerySet(VisibleQuerySet):
    place = Place("model.view")

    def of(self, organization_id: UUID | str) -> Self:
        """An organization's own prices and those for everybody."""
        return self.filter(Q(organization_id=organization_id) | Q(organization__isnull=True))


class Price(models.Model):
    """What a model costs from `valid_from` on. `organization` null: for everybody."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        "orgs.Organization", models.PROTECT, null=True, blank=True, related_name="+"
    )
    model = models.CharField(_("model"), max_length=120)
    valid_from = models.DateTimeField(_("valid from"))
    input = models.BigIntegerField(_("input"), help_text=_("Nanos per 1,000,000 tokens"))
    cached_input = models.BigIntegerField(
        _("cached input"), help_text=_("Nanos per 1,000,000 tokens")
    )
    output = models.BigIntegerField(_("output"), help_text=_("Nanos per 1,000,000 tokens"))
    per_call = models.BigIntegerField(_("per call"), default=0, help_text=_("Nanos"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = PriceQuerySet.as_manager()

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints = (
            models.UniqueConstraint(
                name="price_once",
                fields=("organization", "model", "valid_from"),
                condition=Q(organization__isnull=False),
            ),
            models.UniqueConstraint(
                name="price_for_all_once",
                fields=("model", "valid_from"),
                condition=Q(organization__isnull=True),
            ),
            models.CheckConstraint(
                name="price_positive",
                condition=Q(input__gte=0, cached_input__gte=0, output__gte=0, per_call__gte=0),
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} {self.valid_from:%Y-%m-%d}"


class UsageRecordQuerySet(WalletRowQuerySet):
    place = Place("usage.view")

    def since(self, at: datetime) -> Self:
        return self.filter(created_at__gte=at)


class UsageRecord(models.Model):
    """What one model call used and cost: written in the statement that settles its hold."""

    class Source(models.TextChoices):
        PROVIDER = "provider", _("provider")
        ESTIMATED = "estimated", _("estimated")
        NONE = "none", _("none")

    class Outcome(models.TextChoices):
        OK = "ok", _("complete")
        CLIENT_GONE = "client_gone", _("client left")
        UPSTREAM_ERROR = "upstream_error", _("provider failed")
        CUT = "cut", _("cut off")
        UNSETTLED = "unsettled", _("never settled")

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField(_("organization"), editable=False)
    wallet = models.ForeignKey(
        Wallet,
        models.PROTECT,
        related_name="usage_records",
        db_constraint=False,
        db_index=False,
    )
    hold = models.OneToOneField(
        Hold, models.PROTECT, related_name="usage_record", db_constraint=False
    )
    model = models.CharField(_("model"), max_length=120)
    deployment = models.CharField(_("provider"), max_length=160, blank=True, default="")
    prompt_tokens = models.BigIntegerField(_("prompt tokens"), default=0)
    cached_tokens = models.BigIntegerField(_("cached tokens"), default=0)
    completion_tokens = models.BigIntegerField(_("completion tokens"), default=0)
    cost = models.BigIntegerField(_("cost"), default=0)
    shortfall = models.BigIntegerField(_("shortfall"), default=0)
    usage_source = models.CharField(_("counted by"), max_length=9, choices=Source)
    outcome = models.CharField(_("outcome"), max_length=14, choices=Outcome)
    latency_ms = models.IntegerField(_("latency"), default=0)
    ttft_ms = models.IntegerField(_("time to first token"), null=True, blank=True)
    stream = models.BooleanField(_("streamed"), default=False)
    trace_id = models.CharField(_("trace"), max_length=32, blank=True, default="", db_index=True)
    run_id = models.CharField(_("run"), max_length=36, blank=True, default="")
    node_id = models.CharField(_("node"), max_length=120, blank=True, default="")
    api_key_id = models.UUIDField(null=True, blank=True)
    user_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = UsageRecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("usage record")
        verbose_name_plural = _("usage records")
        constraints = (
            models.CheckConstraint(
                name="usage_positive",
                condition=Q(
                    prompt_tokens__gte=0,
                    cached_tokens__gte=0,
                    completion_tokens__gte=0,
                    cost__gte=0,
                    shortfall__gte=0,
                ),
            ),
        )
        indexes = (
            models.Index(name="usage_of_wallet", fields=("wallet", "-id")),
            models.Index(name="usage_by_day", fields=("wallet", "created_at")),
            models.Index(name="usage_of_run", fields=("run_id",), condition=~Q(run_id="")),
            models.Index(
                name="usage_of_key",
                fields=("api_key_id", "-id"),
                condition=Q(api_key_id__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} {self.pk}"

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens
