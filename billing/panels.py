"""What billing adds to the shell: navigation, figures and a chart on home and the console."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from billing.models import Wallet
from billing.reports import DAYS, Spend, read_spend, spend_chart
from core.templatetags.ui import money
from core.ui import (
    Kpi,
    register_dashboard_kpi,
    register_dashboard_panel,
    register_home_kpi,
    register_home_panel,
    register_nav,
)


def contribute() -> None:
    register_nav(
        gettext_lazy("Money"),
        gettext_lazy("Usage & wallet"),
        "account_balance_wallet",
        "usage",
        300,
        verb="usage.view",
    )
    register_home_kpi("wallet", available, 40, verb="wallet.view")
    register_home_panel("spend", "billing/_panel_chart.html", chart, 20, "usage.view")
    register_dashboard_kpi("wallets", all_wallets, 40, "billing.view_wallet")
    register_dashboard_panel(
        "spend", "billing/_panel_chart.html", chart, 20, "half", "billing.view_usagerecord"
    )


def wallet_kpis(wallet: Wallet, spend: Spend) -> list[Kpi]:
    """The four figures at the head of the usage page."""
    calls = ngettext("%(n)s call", "%(n)s calls", spend.calls) % {"n": spend.calls}
    return [
        Kpi(_("Balance"), "account_balance", money(wallet.balance, 4), _("paid in, less spent")),
        Kpi(_("Held"), "lock_clock", money(wallet.held, 4), _("set aside for calls under way")),
        _available_kpi(wallet),
        Kpi(_("Spent in %(n)s days") % {"n": DAYS}, "payments", money(spend.cost, 4), calls),
    ]


def available(actor: Any) -> Kpi:
    return _available_kpi(Wallet.objects.for_organization(actor.organization_id), reverse("usage"))


def _available_kpi(wallet: Wallet, url: str = "") -> Kpi:
    empty = wallet.available <= 0
    note = _("model calls are refused") if empty else _("to spend on model calls")
    return Kpi(
        _("Available"),
        "account_balance_wallet",
        money(wallet.available, 4),
        note,
        "bad" if empty else "",
        url,
    )


def all_wallets(actor: Any) -> Kpi:
    totals = Wallet.objects.aggregate(balance=Sum("balance"), held=Sum("held"))
    note = _("%(amount)s held") % {"amount": money(totals["held"] or 0, 2)}
    return Kpi(_("In wallets"), "account_balance_wallet", money(totals["balance"] or 0, 2), note)


def chart(actor: Any) -> dict[str, Any]:
    spend = read_spend(actor.organization_id if actor else None)
    return {"spend": spend, "spend_chart": spend_chart(spend, _("Others"))}
