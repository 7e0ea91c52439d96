"""Operators look at money here. Amounts change through actions only, each with an audit entry."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from billing.actions import adjust_wallet, refund_capture, release_hold, top_up_wallet
from billing.forms import new_ref
from billing.models import NANOS, Hold, LedgerEntry, Price, UsageRecord, Wallet
from core.admin import ReadOnlyAdmin
from core.errors import DomainError
from core.templatetags.ui import money
from orgs.access import Actor
from orgs.console import AuditedAdmin
from orgs.models import Role


def operator(request: HttpRequest, wallet: Wallet) -> Actor:
    """Staff acting for an organization: the trail names the person."""
    return Actor(wallet.organization_id, role=Role.OWNER, user_id=request.user.pk)


class MovementForm(forms.Form):
    """A top-up, or with a sign a correction; always with a reason."""

    dollars = forms.DecimalField(
        label=gettext_lazy("Amount in USD"),
        decimal_places=9,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=200, widget=UnfoldAdminTextInputWidget
    )
    ref = forms.CharField(max_length=100, widget=forms.HiddenInput, initial=new_ref)

    @property
    def nanos(self) -> int:
        return int(Decimal(self.cleaned_data["dollars"]) * NANOS)


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    list_display = ("organization", "shown_balance", "shown_held", "shown_available", "created_at")
    list_select_related = ("organization",)
    search_fields = ("organization__name", "=id")
    actions_detail = ("top_up", "adjust")

    @display(description=gettext_lazy("balance"), ordering="balance")
    def shown_balance(self, wallet: Wallet) -> str:
        return money(wallet.balance)

    @display(description=gettext_lazy("held"), ordering="held")
    def shown_held(self, wallet: Wallet) -> str:
        return money(wallet.held)

    @display(description=gettext_lazy("available"))
    def shown_available(self, wallet: Wallet) -> str:
        return money(wallet.available)

    @action(description=gettext_lazy("Top up"), url_path="top-up", permissions=["move"])
    def top_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._move(request, object_id, _("Top up"), self._pay_in)

    @action(description=gettext_lazy("Adjust"), url_path="adjust", permissions=["move"])
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._move(request, object_id, _("Adjust"), self._correct)

    def has_move_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("billing.change_wallet")

    def _move(self, request: HttpRequest, object_id: str, title: str, act: Any) -> HttpResponse:
        wallet = self.get_object(request, object_id)
        if wallet is None:
            raise Http404
        form = MovementForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                entry = act(operator(request, wallet), form)
                messages.success(
                    request, _("Booked: %(amount)s.") % {"amount": money(entry.signed)}
                )
                return redirect(reverse("admin:billing_wallet_change", args=[object_id]))
            except DomainError as refused:
                form.add_error(None, refused.message)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{title}: {wallet.organization}",
            "form": form,
            "opts": self.model._meta,
            "wallet": wallet,
        }
        return TemplateResponse(request, "billing/admin_movement.html", context)

    @staticmethod
    def _pay_in(actor: Actor, form: MovementForm) -> LedgerEntry:
        data = form.cleaned_data
        return top_up_wallet(actor=actor, amount=form.nanos, ref=data["ref"], note=data["reason"])

    @staticmethod
    def _correct(actor: Actor, form: MovementForm) -> LedgerEntry:
        data = form.cleaned_data
        return adjust_wallet(actor=actor, amount=form.nanos, ref=data["ref"], reason=data["reason"])


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = (
        "billing_ref",
        "wallet_name",
        "model",
        "shown_amount",
        "shown_captured",
        "state",
        "created_at",
    )
    list_filter = ("state", "model", "created_at")
    list_select_related = ("wallet__organization",)
    search_fields = ("billing_ref", "=trace_id", "=run_id", "=id")
    actions = ("release",)

    @display(description=gettext_lazy("organization"), ordering="wallet__organization__name")
    def wallet_name(self, hold: Hold) -> str:
        return hold.wallet.organization.name

    @display(description=gettext_lazy("amount"), ordering="amount")
    def shown_amount(self, hold: Hold) -> str:
        return money(hold.amount)

    @display(description=gettext_lazy("captured"), ordering="captured")
    def shown_captured(self, hold: Hold) -> str:
        return money(hold.captured)

    @admin.action(description=gettext_lazy("Release selected holds"), permissions=["settle"])
    def release(self, request: HttpRequest, queryset: QuerySet[Hold]) -> None:
        for hold in queryset.select_related("wallet"):
            try:
                release_hold(
                    actor=operator(request, hold.wallet), hold_id=hold.pk, reason="console"
                )
            except DomainError as refused:
                self.message_user(request, f"{hold}: {refused.message}", messages.WARNING)

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.change_hold")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "wallet_name",
        "kind",
        "debit",
        "credit",
        "shown_amount",
        "shown_after",
        "note",
        "created_at",
    )
    list_filter = ("kind", "created_at")
    list_select_related = ("wallet__organization",)
    search_fields = ("=trace_id", "=ref", "=hold__id", "wallet__organization__name")

    @display(description=gettext_lazy("organization"), ordering="wallet__organization__name")
    def wallet_name(self, entry: LedgerEntry) -> str:
        return entry.wallet.organization.name

    @display(description=gettext_lazy("amount"), ordering="amount")
    def shown_amount(self, entry: LedgerEntry) -> str:
        return money(entry.signed)

    @display(description=gettext_lazy("balance after"))
    def shown_after(self, entry: LedgerEntry) -> str:
        return money(entry.balance_after)


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "wallet_name",
        "model",
        "prompt_tokens",
        "completion_tokens",
        "shown_cost",
        "outcome",
        "latency_ms",
        "created_at",
    )
    list_filter = ("outcome", "usage_source", "model", "stream", "created_at")
    list_select_related = ("wallet__organization",)
    search_fields = ("=trace_id", "=run_id", "=hold__id", "=api_key_id", "model")
    actions = ("refund",)

    @display(description=gettext_lazy("organization"), ordering="wallet__organization__name")
    def wallet_name(self, record: UsageRecord) -> str:
        return record.wallet.organization.name

    @display(description=gettext_lazy("cost"), ordering="cost")
    def shown_cost(self, record: UsageRecord) -> str:
        return money(record.cost)

    @admin.action(description=gettext_lazy("Refund selected calls in full"), permissions=["refund"])
    def refund(self, request: HttpRequest, queryset: QuerySet[UsageRecord]) -> None:
        for record in queryset.select_related("wallet").filter(cost__gt=0):
            try:
                refund_capture(
                    actor=operator(request, record.wallet),
                    hold_id=record.hold_id,
                    amount=record.cost,
                    ref=f"refund:{record.hold_id}",
                    reason="console",
                )
            except DomainError as refused:
                self.message_user(request, f"{record}: {refused.message}", messages.WARNING)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.change_wallet")


@admin.register(Price)
class PriceAdmin(AuditedAdmin):
    """Common prices are set here; a price that calls were made under is history and stays."""

    list_display = ("model", "organization", "valid_from", "shown_input", "shown_output")
    list_filter = ("model", "valid_from")
    list_select_related = ("organization",)
    search_fields = ("model", "organization__name")
    autocomplete_fields = ("organization",)

    @display(description=gettext_lazy("input per 1M"), ordering="input")
    def shown_input(self, price: Price) -> str:
        return money(price.input)

    @display(description=gettext_lazy("output per 1M"), ordering="output")
    def shown_output(self, price: Price) -> str:
        return money(price.output)
