"""What the page of runs can be asked for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from core.jsonsafe import clean
from workflows.models import Run

ANY = ("", _("All"))


class RunSearchForm(forms.Form):
    """The same names as in the API. A field that is not understood narrows nothing, and says so."""

    state = forms.ChoiceField(choices=[ANY, *Run.State.choices], required=False, label=_("State"))
    tag = forms.CharField(max_length=300, required=False, label=_("Searchable value"))
    workflow = forms.UUIDField(required=False, label=_("Workflow"))
    trigger = forms.ChoiceField(
        choices=[ANY, *Run.Trigger.choices], required=False, label=_("Trigger")
    )
    since = forms.DateTimeField(required=False, label=_("Made from"))
    until = forms.DateTimeField(required=False, label=_("Made before"))
    min_seconds = forms.FloatField(
        min_value=0, max_value=1e9, required=False, label=_("Seconds at least")
    )
    max_seconds = forms.FloatField(
        min_value=0, max_value=1e9, required=False, label=_("Seconds at most")
    )
    error = forms.CharField(max_length=60, required=False, label=_("Code of error"))
    id = forms.UUIDField(required=False, label=_("Id of run"))
    parent = forms.UUIDField(required=False, label=_("Started by run"))
    source = forms.UUIDField(required=False, label=_("Rerun of"))

    def offer(self, workflows: list[tuple[UUID, str]]) -> None:
        """Workflows to choose from, by id and name; any other is named by its id."""
        field: Any = self.fields["workflow"]
        chosen = self.wanted.get("workflow")
        known = {pk for pk, _name in workflows}
        own = [(chosen, str(chosen))] if chosen and chosen not in known else []
        field.choices = [ANY, *workflows, *own]

    FIRST = ("state", "tag")
    """In sight always; the others once one of them is in use, or asked for."""

    @property
    def wanted(self) -> dict[str, Any]:
        """What was understood and is not empty."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in {None, ""}}

    @property
    def more_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in self.FIRST]

    @property
    def more_used(self) -> bool:
        used = {*self.wanted, *self.errors}
        return bool(used - set(self.FIRST))

    @property
    def chips(self) -> list[dict[str, str]]:
        """What narrows the list now, and the query without it."""
        found = []
        for name, value in self.wanted.items():
            choices = dict(getattr(self.fields[name], "choices", ()))
            label = str(self.fields[name].label)
            found.append(
                {
                    "label": label,
                    "value": str(choices.get(value, value)),
                    "without": self._but(name),
                }
            )
        return found

    @property
    def query(self) -> str:
        return self._but("")

    def _but(self, left_out: str) -> str:
        query = QueryDict(mutable=True)
        for name in self.wanted:
            if name != left_out:
                query[name] = self.data.get(name, "")
        return query.urlencode()


def asked_of(given: QueryDict) -> RunSearchForm:
    return RunSearchForm({name: clean(given.get(name, "")).strip() for name in given})
