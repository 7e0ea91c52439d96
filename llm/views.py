"""Pages of llm: models with their prices, providers. Every write goes through an action."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing.actions import set_price
from billing.prices import PriceTag, prices_of
from core.errors import DomainError
from llm import actions
from llm.checks import check_provider
from llm.forms import ModelForm, ProviderForm, model_values, provider_values
from llm.models import Model, Provider
from llm.offline import ensure_offline_model
from orgs.access import Actor, holds
from orgs.pages import page


@require_GET
@page("model.view")
def models(request: HttpRequest) -> HttpResponse:
    actor = _actor(request)
    ensure_offline_model(actor.organization_id)
    rows = Model.objects.visible_to(actor).select_related("provider").order_by("name")
    prices = prices_of(actor.organization_id)
    context = {
        "title": _("Models"),
        "rows": [(row, prices.get(row.name)) for row in rows],
        "providers": Provider.objects.visible_to(actor).order_by("name"),
        "may_manage": holds(actor, "model.manage"),
        "base_url": request.build_absolute_uri("/v1"),
    }
    return render(request, "llm/models.html", context)


@require_http_methods(["GET", "POST"])
@page("model.manage")
def new_model(request: HttpRequest) -> HttpResponse:
    actor = _actor(request)
    ensure_offline_model(actor.organization_id)
    form = ModelForm(request.POST or None, actor=actor)
    if request.method == "POST" and form.is_valid() and _done(request, form, _create_model):
        return redirect("models")
    return _form(request, _("New model"), form, _("Create model"))


@require_http_methods(["GET", "POST"])
@page("model.manage")
def edit_model(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = _actor(request)
    model = get_object_or_404(Model.objects.visible_to(actor), pk=pk)
    tag = prices_of(actor.organization_id, models=[model.name]).get(model.name)
    form = ModelForm(request.POST or None, actor=actor, initial=model_values(model, tag))

    def change(actor: Actor, form: ModelForm) -> str:
        return _update_model(actor, form, model, tag)

    if request.method == "POST" and form.is_valid() and _done(request, form, change):
        return redirect("models")
    return _form(request, model.name, form, _("Save"), delete=("model_delete", model.pk))


@require_POST
@page("model.manage")
def remove_model(request: HttpRequest, pk: UUID) -> HttpResponse:
    actions.delete_model(actor=_actor(request), model_id=pk)
    messages.success(request, _("The model is deleted."))
    return redirect("models")


@require_http_methods(["GET", "POST"])
@page("model.manage")
def new_provider(request: HttpRequest) -> HttpResponse:
    form = ProviderForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _done(request, form, _create_provider):
        return redirect("models")
    return _form(request, _("New provider"), form, _("Create provider"))


@require_http_methods(["GET", "POST"])
@page("model.manage")
def edit_provider(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = _actor(request)
    provider = get_object_or_404(Provider.objects.visible_to(actor), pk=pk)
    form = ProviderForm(request.POST or None, initial=provider_values(provider))
    if provider.kind == Provider.Kind.OFFLINE:
        for name in ("base_url", "api_key", "limit_parameter"):
            del form.fields[name]

    def change(actor: Actor, form: ProviderForm) -> str:
        actions.update_provider(actor=actor, provider_id=provider.pk, **form.cleaned_data)
        return _("The provider is saved.")

    if request.method == "POST" and form.is_valid() and _done(request, form, change):
        return redirect("models")
    return _form(request, provider.name, form, _("Save"), delete=("provider_delete", provider.pk))


@require_POST
@page("model.manage")
def remove_provider(request: HttpRequest, pk: UUID) -> HttpResponse:
    actions.delete_provider(actor=_actor(request), provider_id=pk)
    messages.success(request, _("The provider is deleted."))
    return redirect("models")


@require_POST
@page("model.manage")
def try_provider(request: HttpRequest, pk: UUID) -> HttpResponse:
    names = check_provider(actor=_actor(request), provider_id=pk)
    found = _("The connection works; the provider offers %(n)s models.") % {"n": len(names)}
    messages.success(request, found)
    return redirect("models")


def _create_model(actor: Actor, form: ModelForm) -> str:
    provider = form.cleaned_data["provider"]
    fields, prices = form.fields_of_model(), form.prices()
    model = actions.create_model(actor=actor, provider_id=provider.pk, **fields, **prices)
    return _("“%(name)s” can be called now.") % {"name": model.name}


@transaction.atomic
def _update_model(actor: Actor, form: ModelForm, model: Model, tag: PriceTag | None) -> str:
    """The model, and a new price from now on where the price was changed."""
    provider = form.cleaned_data["provider"]
    changed = actions.update_model(
        actor=actor, model_id=model.pk, provider_id=provider.pk, **form.fields_of_model()
    )
    prices = form.prices()
    same = tag is not None and (tag.input, tag.output) == tuple(prices.values())
    if not same or changed.name != tag.model:  # type: ignore[union-attr]  # same: tag is there
        set_price(actor=actor, model=changed.name, **prices)
    return _("“%(name)s” is saved.") % {"name": changed.name}


def _create_provider(actor: Actor, form: ProviderForm) -> str:
    provider = actions.create_provider(actor=actor, **form.cleaned_data)
    return _("“%(name)s” is added.") % {"name": provider.name}


def _done(request: HttpRequest, form: Form, act: Any) -> bool:
    """Do it; a refusal is shown in the form, which keeps what was typed."""
    try:
        messages.success(request, act(_actor(request), form))
    except DomainError as refused:
        form.add_error(None, refused.message)
        return False
    return True


def _form(
    request: HttpRequest,
    title: str,
    form: Form,
    button: str,
    delete: tuple[str, UUID] | None = None,
) -> HttpResponse:
    status = 400 if form.errors else 200
    context = {"title": title, "form": form, "button": button, "delete": delete}
    return render(request, "llm/form.html", context, status=status)


def _actor(request: HttpRequest) -> Actor:
    return request.actor  # type: ignore[attr-defined]  # set by `page`
