"""Pages of billing. Every write goes through the action the API uses."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from billing.actions import top_up_wallet
from billing.forms import TopUpForm
from billing.models import LedgerEntry, UsageRecord, Wallet
from billing.panels import wallet_kpis
from billing.reports import read_spend, spend_chart
from core.templatetags.ui import money
from orgs.access import Actor, holds
from orgs.pages import page

PAGE = 25


@require_GET
@page("usage.view")
def usage(request: HttpRequest) -> HttpResponse:
    """The wallet, what was spent on what, and the calls (or movements) one by one."""
    actor = _actor(request)
    tab = "ledger" if request.GET.get("tab") == "ledger" else "calls"
    rows, older = _page_of(_rows(actor, tab), request.GET.get("before", ""))
    context: dict[str, Any] = {"tab": tab, "rows": rows, "older": older}
    if getattr(request, "htmx", False):
        return render(request, "billing/_rows.html", context)
    wallet = Wallet.objects.for_organization(actor.organization_id)
    spend = read_spend(actor.organization_id)
    context |= {
        "title": _("Usage & wallet"),
        "wallet": wallet,
        "spend": spend,
        "kpis": wallet_kpis(wallet, spend),
        "spend_chart": spend_chart(spend, _("Others")),
        "may_top_up": holds(actor, "wallet.topup"),
        "form": TopUpForm(),
    }
    return render(request, "billing/usage.html", context)


@require_POST
@page("wallet.topup")
def top_up(request: HttpRequest) -> HttpResponse:
    form = TopUpForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Enter an amount above zero."))
        return redirect("usage")
    entry = top_up_wallet(
        actor=_actor(request),
        amount=form.nanos,
        ref=form.cleaned_data["ref"],
        note=form.cleaned_data["note"],
    )
    messages.success(request, _("%(amount)s is paid in.") % {"amount": money(entry.amount)})
    return redirect("usage")


def _rows(actor: Actor, tab: str) -> QuerySet[Any]:
    kind: Any = LedgerEntry if tab == "ledger" else UsageRecord
    rows: QuerySet[Any] = kind.objects.visible_to(actor).order_by("-pk")
    return rows


def _page_of(rows: QuerySet[Any], before: str) -> tuple[list[Any], int | None]:
    """A page by key, and the key the next one starts before."""
    if before.isdecimal():
        rows = rows.filter(pk__lt=int(before[:18]))
    found = list(rows[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None


def _actor(request: HttpRequest) -> Actor:
    return request.actor  # type: ignore[attr-defined]  # set by `page`
