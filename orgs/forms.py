"""What people type on the pages of orgs."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from orgs.access import Actor, holds
from orgs.models import Role
from orgs.permissions import KEY_SCOPES


class OrganizationForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=120)


class OriginsForm(forms.Form):
    origins = forms.CharField(
        label=_("Allowed origins"),
        required=False,
        max_length=6000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_(
            "Web pages of these addresses may call the API with a key or token of this "
            "organization. One a line, for example https://app.example.com."
        ),
    )

    def origins_given(self) -> list[str]:
        return str(self.cleaned_data["origins"]).split()


class MemberForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address"))
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.MEMBER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class KeyForm(forms.Form):
    """Offers only the scopes its maker holds; the action checks them again."""

    LIFETIMES = (
        ("30", _("30 days")),
        ("90", _("90 days")),
        ("365", _("One year")),
        ("0", _("Never")),
    )

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("What the key is for, so that you recognize it later."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), widget=forms.CheckboxSelectMultiple, initial=["model.call", "model.view"]
    )
    lifetime = forms.ChoiceField(label=_("Expires after"), choices=LIFETIMES, initial="90")

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(scope, scope) for scope in KEY_SCOPES if holds(actor, scope)]
        self.fields["scopes"].choices = offered  # type: ignore[attr-defined]  # a ChoiceField

    def expires_at(self) -> datetime | None:
        days = int(self.cleaned_data["lifetime"])
        return now() + timedelta(days=days) if days else None
