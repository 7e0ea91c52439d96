"""What people type about keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.timezone import now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orgs.access import Actor, holds
from orgs.errors import InvalidAddressList
from orgs.models import ApiKey, Project
from orgs.networks import normalise
from orgs.permissions import KEY_SCOPES
from orgs.projects import open_projects


class KeySettings(forms.Form):
    """What can be changed later too. The action checks all of it again."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("What the key is for, so that you recognize it later."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), widget=forms.CheckboxSelectMultiple, initial=["model.call", "model.view"]
    )
    ip_allow = forms.CharField(
        label=_("Allowed addresses"),
        required=False,
        widget=forms.Textarea(
            attrs={
                "rows": 3,
                "class": "ui-mono",
                "placeholder": "203.0.113.0/24",
                "maxlength": 4000,
            }
        ),
        help_text=_("One address or network (CIDR) a line, at most 50. Empty: from anywhere."),
    )

    def __init__(self, *args: Any, scopes: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [(scope, scope) for scope in scopes]  # type: ignore[attr-defined]  # a ChoiceField

    def clean_ip_allow(self) -> list[str]:
        given = self.cleaned_data["ip_allow"].replace(",", "\n").splitlines()
        try:
            return normalise(given)
        except InvalidAddressList as error:
            wrong = ", ".join(error.detail.get("wrong", []))
            raise ValidationError(f"{gettext(error.message)} {wrong}".strip()) from error


class KeyForm(KeySettings):
    """Offers only the scopes its maker holds."""

    LIFETIMES = (
        ("30", _("30 days")),
        ("90", _("90 days")),
        ("365", _("One year")),
        ("0", _("Never")),
    )

    lifetime = forms.ChoiceField(label=_("Expires after"), choices=LIFETIMES, initial="90")
    project = forms.ModelChoiceField(
        Project.objects.none(), label=_("Project"), required=False, empty_label=None
    )
    field_order = ("name", "project", "scopes", "ip_allow", "lifetime")

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        offered = [scope for scope in KEY_SCOPES if holds(actor, scope)]
        super().__init__(*args, scopes=offered, **kwargs)
        rows = open_projects(actor, "key.create")
        self.fields["project"].queryset = rows  # type: ignore[attr-defined]  # a ModelChoiceField

    def expires_at(self) -> datetime | None:
        days = int(self.cleaned_data["lifetime"])
        return now() + timedelta(days=days) if days else None


class KeyChangeForm(KeySettings):
    """Offers what the key carries and what the reader could add."""

    def __init__(self, *args: Any, actor: Actor, key: ApiKey, **kwargs: Any) -> None:
        offered = [scope for scope in KEY_SCOPES if scope in key.scopes or holds(actor, scope)]
        initial = {"name": key.name, "scopes": key.scopes, "ip_allow": "\n".join(key.ip_allow)}
        super().__init__(*args, scopes=offered, initial=initial, **kwargs)


class RotateForm(forms.Form):
    OVERLAPS = (
        ("0", _("Not at all: end it now")),
        ("3600", _("One hour")),
        ("86400", _("One day")),
        ("604800", _("One week")),
        ("2592000", _("30 days")),
    )

    overlap = forms.ChoiceField(
        label=_("The old token goes on working for"), choices=OVERLAPS, initial="86400"
    )
