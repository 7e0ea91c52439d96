"""What people type on the pages of orgs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from orgs.access import Actor
from orgs.models import Membership, Organization, Role, Team

MOST = 500
"""Choices a list in a form has at most; the API takes any."""


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
        rows = rows.filter(user__is_active=True).select_related("user").order_by("user__email")
        self.fields["member"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            (str(row.pk), f"{row.user.get_full_name()} · {row.user.email}") for row in rows[:MOST]
        ]


class InvitationForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address"))
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.MEMBER)
    teams = forms.MultipleChoiceField(
        label=_("Teams"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        teams = Team.objects.of(actor.organization_id).order_by("name")[:MOST]
        self.fields["teams"].choices = [(str(team.pk), team.name) for team in teams]  # type: ignore[attr-defined]
        if actor.role != Role.OWNER:
            offered = [pair for pair in Role.choices if pair[0] != Role.OWNER]
            self.fields["role"].choices = offered  # type: ignore[attr-defined]  # a ChoiceField
        if not self.fields["teams"].choices:  # type: ignore[attr-defined]  # a ChoiceField
            del self.fields["teams"]

    def clean(self) -> dict[str, Any]:
        return {"teams": [], **(super().clean() or self.cleaned_data)}


class TeamForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80)
    description = forms.CharField(label=_("Description"), max_length=300, required=False)


class JoinForm(forms.Form):
    """Members who are not in the team yet."""

    member = forms.ChoiceField(label=_("Member"))

    def __init__(self, *args: Any, actor: Actor, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Membership.objects.of(actor.organization_id).exclude(teams__team=team)
        rows = rows.select_related("user").order_by("user__email")
        self.fields["member"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            (str(row.pk), f"{row.user.get_full_name()} · {row.user.email}") for row in rows[:MOST]
        ]


class ProjectForm(TeamForm):
    restricted = forms.BooleanField(
        label=_("Restricted"),
        required=False,
        help_text=_("Roles alone do not open it: only owners, administrators and grants do."),
    )


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)
