"""What people type about the organization itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from orgs.access import Actor
from orgs.actions.retention import LONGEST, SHORTEST
from orgs.forms.choices import people
from orgs.models import Membership, Organization


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


class SettingsForm(OrganizationForm):
    require_second_factor = forms.BooleanField(
        label=_("Ask every member for a second factor"),
        required=False,
        help_text=_("Who has none sets one up before they get in."),
    )

    @staticmethod
    def initial_of(organization: Organization) -> dict[str, Any]:
        names = ("name", "require_second_factor")
        return {name: getattr(organization, name) for name in names}


class RetentionForm(forms.Form):
    days = forms.IntegerField(
        label=_("Days runs are kept"),
        required=False,
        min_value=SHORTEST,
        max_value=LONGEST,
        help_text=_(
            "Counted from a run's end; with it go its steps, history and files. Empty: for ever. "
            "A workflow may keep its runs for less. Costs, usage, decisions and the audit trail "
            "stay."
        ),
    )


class CloseForm(forms.Form):
    name = forms.CharField(
        label=_("Name of the organization"),
        max_length=120,
        help_text=_("As it stands, so that it is no accident."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    reason = forms.CharField(
        label=_("Why"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


class TransferForm(forms.Form):
    member = forms.TypedChoiceField(label=_("New owner"), coerce=UUID)

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Membership.objects.of(actor.organization_id).exclude(user_id=actor.user_id)
        rows = rows.filter(user__is_active=True)
        self.fields["member"].choices = people(rows)  # type: ignore[attr-defined]  # a ChoiceField
