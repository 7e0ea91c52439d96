"""Forms of the usage page."""

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy as _

from billing.actions import LARGEST
from billing.models import NANOS
from core.ids import uuid7


def new_ref() -> str:
    return f"page:{uuid7()}"


class TopUpForm(forms.Form):
    """The reference is made with the form, so that sending it twice pays once."""

    dollars = forms.DecimalField(
        label=_("Amount in USD"),
        min_value=Decimal("0.01"),
        max_value=Decimal(LARGEST // NANOS),
        decimal_places=2,
        widget=forms.NumberInput(attrs={"class": "ui-input", "step": "0.01"}),
    )
    note = forms.CharField(
        label=_("Note"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"class": "ui-input"}),
    )
    ref = forms.CharField(max_length=100, widget=forms.HiddenInput, initial=new_ref)

    @property
    def nanos(self) -> int:
        return int(self.cleaned_data["dollars"] * NANOS)
