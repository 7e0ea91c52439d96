"""What people type on the pages of sign-on."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from orgs.models import Role, SsoConnection
from orgs.models.sso import LONGEST_HOURS


class ConnectionForm(forms.Form):
    """The actions judge the content; here is only how it is written: one `group = role` a line."""

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("What people see before they go there.")
    )
    issuer = forms.CharField(
        label=_("Issuer"),
        max_length=300,
        help_text=_("As in the provider's discovery document, for example https://id.example.com"),
    )
    client_id = forms.CharField(label=_("Client id"), max_length=200)
    client_secret = forms.CharField(
        label=_("Client secret"),
        max_length=500,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    scopes = forms.CharField(label=_("Scopes"), max_length=200, initial="openid email profile")
    role_claim = forms.CharField(
        label=_("Claim with groups"),
        max_length=80,
        required=False,
        help_text=_("For example groups; a dot looks into a nested claim."),
    )
    role_map = forms.CharField(
        label=_("Roles by group"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "ui-mono"}),
        help_text=_(
            "One “group = role” a line; the highest role that matches counts."
            " With any line here, roles follow the provider at every sign-in."
        ),
    )
    default_role = forms.ChoiceField(
        label=_("Role without a matching group"),
        choices=[choice for choice in Role.choices if choice[0] != Role.OWNER],
        initial=Role.MEMBER,
    )

    max_age_hours = forms.IntegerField(
        label=_("Hours until the provider is asked again"),
        min_value=1,
        max_value=LONGEST_HOURS,
        initial=24,
        help_text=_("Sessions made by this connection end then, and so do their tokens."),
    )

    def clean_role_map(self) -> dict[str, str]:
        lines = [line for line in self.cleaned_data["role_map"].splitlines() if line.strip()]
        pairs = [line.rpartition("=") for line in lines]
        if not all(sign and group.strip() for group, sign, _role in pairs):
            raise forms.ValidationError(_("Write one “group = role” a line."))
        return {group.strip(): role.strip().lower() for group, _sign, role in pairs}


class ChangeForm(ConnectionForm):
    enforced = forms.BooleanField(
        label=_("People of its domains sign in this way alone; only owners keep their password"),
        required=False,
    )

    @classmethod
    def of(cls, row: SsoConnection) -> "ChangeForm":
        names = (
            "name", "issuer", "client_id", "scopes", "role_claim", "default_role", "max_age_hours",
            "enforced",
        )  # fmt: skip
        initial: dict[str, Any] = {name: getattr(row, name) for name in names}
        initial["role_map"] = "\n".join(f"{group} = {role}" for group, role in row.role_map.items())
        return cls(initial=initial)


class DomainForm(forms.Form):
    domain = forms.CharField(label=_("Domain"), max_length=253)
