"""Forms of the model pages. Prices are typed in dollars per million tokens."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from billing.models import NANOS
from billing.prices import PriceTag
from llm.models import Model, Provider
from orgs.access import Actor


def box(**attributes: Any) -> dict[str, Any]:
    return {"class": "ui-input", **attributes}


class ProviderForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80, widget=forms.TextInput(box()))
    base_url = forms.CharField(
        label=_("Base URL"),
        max_length=500,
        widget=forms.URLInput(box(placeholder="https://api.example.com/v1")),
        help_text=_("OpenAI-compatible, up to and including /v1."),
    )
    api_key = forms.CharField(
        label=_("API key"),
        max_length=500,
        required=False,
        widget=forms.PasswordInput(box(autocomplete="new-password")),
        help_text=_("Stored encrypted, never shown again. Left empty, the stored key stays."),
    )
    limit_parameter = forms.ChoiceField(
        label=_("Output limit field"),
        choices=Provider.LimitParameter.choices,
        widget=forms.Select(box()),
        help_text=_("How this provider is told the longest answer to write."),
    )
    enabled = forms.BooleanField(label=_("Enabled"), required=False, initial=True)


class ModelForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        widget=forms.TextInput(box()),
        help_text=_("What workflows and programs call it."),
    )
    provider = forms.ModelChoiceField(
        label=_("Provider"), queryset=Provider.objects.none(), widget=forms.Select(box())
    )
    upstream_name = forms.CharField(
        label=_("Name at the provider"),
        max_length=160,
        required=False,
        widget=forms.TextInput(box()),
    )
    context_window = forms.IntegerField(
        label=_("Context window"),
        min_value=1,
        max_value=100_000_000,
        initial=128_000,
        widget=forms.NumberInput(box()),
    )
    max_output_tokens = forms.IntegerField(
        label=_("Longest answer in tokens"),
        min_value=1,
        max_value=100_000_000,
        initial=4_096,
        widget=forms.NumberInput(box()),
    )
    input_price = forms.DecimalField(
        label=_("Input, USD per million tokens"),
        min_value=Decimal(0),
        max_value=Decimal(1_000_000),
        decimal_places=9,
        widget=forms.NumberInput(box(step="any")),
    )
    output_price = forms.DecimalField(
        label=_("Output, USD per million tokens"),
        min_value=Decimal(0),
        max_value=Decimal(1_000_000),
        decimal_places=9,
        widget=forms.NumberInput(box(step="any")),
    )
    enabled = forms.BooleanField(label=_("Enabled"), required=False, initial=True)

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        providers: Any = self.fields["provider"]
        providers.queryset = Provider.objects.of(actor.organization_id).order_by("name")

    def fields_of_model(self) -> dict[str, Any]:
        kept = ("name", "upstream_name", "context_window", "max_output_tokens", "enabled")
        return {name: self.cleaned_data[name] for name in kept}

    def prices(self) -> dict[str, Any]:
        """Nanos per 1,000,000 tokens."""
        rates = ("input_price", "output_price")
        return {name: int(self.cleaned_data[name] * NANOS) for name in rates}


def provider_values(provider: Provider) -> dict[str, Any]:
    names = ("name", "base_url", "limit_parameter", "enabled")
    return {name: getattr(provider, name) for name in names}


def model_values(model: Model, tag: PriceTag | None) -> dict[str, Any]:
    names = (
        "name", "provider", "upstream_name", "context_window", "max_output_tokens", "enabled",
    )  # fmt: skip
    values = {name: getattr(model, name) for name in names}
    if tag is not None:
        values["input_price"] = _plain(tag.input)
        values["output_price"] = _plain(tag.output)
    return values


def _plain(nanos: int) -> Decimal:
    return Decimal(f"{Decimal(nanos) / NANOS:f}")
