"""The two questions we add to allauth's sign-up form."""

from typing import Any

from allauth.core import context
from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.addresses import expected_signup


class SignupDetails(forms.Form):
    name = forms.CharField(label=_("Your name"), max_length=120)
    organization = forms.CharField(
        label=_("Organization"),
        max_length=120,
        required=False,
        help_text=_("You can rename it later."),
    )

    field_order = ("name", "organization", "email", "password1", "password2")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if context.request is not None and expected_signup(context.request):
            del self.fields["organization"]  # an invitation leads to one that is there

    def signup(self, request: HttpRequest, user: Any) -> None:
        """Called by allauth after saving; the adapter has stored everything by then."""
