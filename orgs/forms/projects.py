"""What people type about projects."""

from django import forms
from django.utils.translation import gettext_lazy as _

from orgs.forms.teams import TeamForm


class ProjectForm(TeamForm):
    restricted = forms.BooleanField(
        label=_("Restricted"),
        required=False,
        help_text=_("Roles alone do not open it: only owners, administrators and grants do."),
    )
