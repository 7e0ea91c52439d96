"""The two questions we add to allauth's sign-up form."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _


class SignupDetails(forms.Form):
    name = forms.CharField(label=_("Your name"), max_length=120)
    organization = forms.CharField(
        label=_("Organization"),
        max_length=120,
        required=False,
        help_text=_("You can rename it later."),
    )

    field_order = ("name", "organization", "email", "password1", "password2")

    def signup(self, request: HttpRequest, user: Any) -> None:
        """Called by allauth after saving; the adapter has stored everything by then."""
