"""What people type about teams."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from orgs.access import Actor
from orgs.forms.choices import people
from orgs.models import Membership, Team


class TeamForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80)
    description = forms.CharField(label=_("Description"), max_length=300, required=False)


class JoinForm(forms.Form):
    """Members who are not in the team yet."""

    member = forms.ChoiceField(label=_("Member"))

    def __init__(self, *args: Any, actor: Actor, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Membership.objects.of(actor.organization_id).exclude(teams__team=team)
        self.fields["member"].choices = people(rows)  # type: ignore[attr-defined]  # a ChoiceField
