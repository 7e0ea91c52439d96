"""What people type about members and who is to become one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from orgs.access import Actor
from orgs.forms.choices import MOST
from orgs.models import Role, Team


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


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
