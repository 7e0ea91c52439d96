"""What people type about triggers. The actions check all of it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orgs.access import Actor
from workflows.models import Run, Trigger, Workflow
from workflows.triggers.configs import ENDED
from workflows.triggers.occurrences import zone_names

MONO = {"class": "ui-mono", "rows": 4, "spellcheck": "false"}
CHOICES = 500
"""Workflows that a form offers at most; the API takes any."""
SPANS = ((60, _("minutes")), (3600, _("hours")), (86_400, _("days")))


class TriggerForm(forms.Form):
    """What every kind has. `settings_of` gives the settings for the action."""

    name = forms.CharField(label=_("Name"), max_length=120)
    inputs = forms.CharField(
        label=_("Inputs"), required=False, widget=forms.Textarea(attrs=MONO), initial="{}",
        help_text=_("JSON: inputs that are always the same."),
    )  # fmt: skip
    query = forms.CharField(
        label=_("Message"), required=False, max_length=20_000, widget=forms.Textarea({"rows": 2})
    )

    def __init__(self, *args: Any, workflow: Workflow, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if workflow.mode != Workflow.Mode.CHAT:
            del self.fields["query"]

    def clean_inputs(self) -> dict[str, Any]:
        return _object(self.cleaned_data["inputs"])

    def settings_of(self) -> dict[str, Any]:
        raise NotImplementedError

    def given(self) -> dict[str, Any]:
        """The arguments of the action."""
        data = self.cleaned_data
        return {
            "name": data["name"],
            "inputs": data["inputs"],
            "query": data.get("query", ""),
            "config": self.settings_of(),
        }

    @classmethod
    def initial_of(cls, trigger: Trigger) -> dict[str, Any]:
        inputs = json.dumps(trigger.inputs, ensure_ascii=False, indent=2)
        return {"name": trigger.name, "inputs": inputs, "query": trigger.query, **trigger.config}


class ScheduleForm(TriggerForm):
    when = forms.ChoiceField(
        label=_("When"), choices=(("cron", _("Cron line")), ("interval", _("Interval")))
    )
    cron = forms.CharField(
        label=_("Cron line"), required=False, max_length=200, initial="0 6 * * MON-FRI",
        widget=forms.TextInput({"class": "ui-mono", "spellcheck": "false"}),
        help_text=_("Minute, hour, day, month, weekday."),
    )  # fmt: skip
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False, initial="UTC")
    every = forms.IntegerField(label=_("Every"), required=False, min_value=1, initial=1)
    unit = forms.TypedChoiceField(label=_("Unit"), choices=SPANS, coerce=int, initial=3600)
    start_at = forms.DateTimeField(
        label=_("Not before"), required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip
    end_at = forms.DateTimeField(
        label=_("Not after"), required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip
    catch_up = forms.ChoiceField(
        label=_("Missed occurrences"),
        choices=(
            ("none", _("Leave them out")),
            ("last", _("Start the last one")),
            ("all", _("Start all of them, the latest at most")),
        ),
        help_text=_("What was due while nobody was awake to start it."),
    )
    catch_up_most = forms.IntegerField(
        label=_("At most"), min_value=1, max_value=100, initial=10, required=False
    )
    overlap = forms.ChoiceField(
        label=_("While the run before still lives"),
        choices=(
            ("skip", _("Leave it out")),
            ("queue", _("Wait for it to end")),
            ("cancel", _("Cancel the run before")),
            ("allow", _("Start it all the same")),
        ),
    )
    jitter_seconds = forms.IntegerField(
        label=_("Jitter, seconds"), min_value=0, max_value=3600, initial=0, required=False,
        help_text=_("Start up to so much later, so that not everything starts at once."),
    )  # fmt: skip
    field_order = (
        "name", "when", "cron", "time_zone", "every", "unit", "start_at", "end_at", "catch_up",
        "catch_up_most", "overlap", "jitter_seconds", "inputs", "query",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = [(name, name) for name in sorted(zone_names())]
        self.fields["time_zone"].choices = zones  # type: ignore[attr-defined]  # a ChoiceField

    def settings_of(self) -> dict[str, Any]:
        data = self.cleaned_data
        by_line = data["when"] == "cron"
        zone = data["time_zone"] or "UTC"
        return {
            "cron": data["cron"] if by_line else "",
            "every_seconds": None if by_line else (data["every"] or 0) * data["unit"],
            "time_zone": zone,
            "start_at": _in_zone(data["start_at"], zone),
            "end_at": _in_zone(data["end_at"], zone),
            "catch_up": data["catch_up"],
            "catch_up_most": data["catch_up_most"] or 10,
            "overlap": data["overlap"],
            "jitter_seconds": data["jitter_seconds"] or 0,
        }

    @classmethod
    def initial_of(cls, trigger: Trigger) -> dict[str, Any]:
        found = super().initial_of(trigger)
        zone = ZoneInfo(found["time_zone"])
        for name in ("start_at", "end_at"):
            if found[name]:
                found[name] = datetime.fromisoformat(found[name]).astimezone(zone)
                found[name] = found[name].replace(tzinfo=None)
        seconds = found["every_seconds"]
        units = [size for size, _label in SPANS if seconds and seconds % size == 0]
        unit = units[-1] if units else 60
        more = {"when": "interval" if seconds else "cron", "unit": unit}
        return found | more | {"every": (seconds or 0) // unit or None}


def _in_zone(typed: datetime | None, zone: str) -> datetime | None:
    """What was typed is meant by the clock of the schedule, not by the server's."""
    return typed.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) if typed else None


class MappedForm(TriggerForm):
    mapping = forms.CharField(
        label=_("Inputs from what comes in"), required=False,
        widget=forms.Textarea(MONO | {"placeholder": "mail = body.issue.body"}),
        help_text=_("One a line: input = path."),
    )  # fmt: skip
    query_from = forms.CharField(
        label=_("Message from"), required=False, max_length=300,
        widget=forms.TextInput({"class": "ui-mono"}),
    )  # fmt: skip

    def __init__(self, *args: Any, workflow: Workflow, **kwargs: Any) -> None:
        super().__init__(*args, workflow=workflow, **kwargs)
        if workflow.mode != Workflow.Mode.CHAT:
            del self.fields["query_from"]

    def clean_mapping(self) -> dict[str, str]:
        found = {}
        for line in self.cleaned_data["mapping"].splitlines():
            name, sign, path = line.partition("=")
            if line.strip() and not (sign and name.strip() and path.strip()):
                raise ValidationError(gettext("One a line: input = path."))
            if line.strip():
                found[name.strip()] = path.strip()
        return found

    @classmethod
    def initial_of(cls, trigger: Trigger) -> dict[str, Any]:
        found = super().initial_of(trigger)
        rows = [f"{name} = {path}" for name, path in found["mapping"].items()]
        return found | {"mapping": "\n".join(rows)}


class WebhookForm(MappedForm):
    scheme = forms.ChoiceField(
        label=_("Signature"),
        choices=(
            ("none", _("None: the address is the secret")),
            ("github", "GitHub"),
            ("stripe", "Stripe"),
            ("slack", "Slack"),
            ("hmac", _("HMAC in a header")),
        ),
    )
    secret = forms.CharField(
        label=_("Secret"), required=False, max_length=500, min_length=8,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=_("Stripe and Slack give you one. Empty: one is made here and shown once."),
    )  # fmt: skip
    header = forms.CharField(
        label=_("Header"), required=False, initial="X-Signature", max_length=100
    )
    algorithm = forms.ChoiceField(
        label=_("Algorithm"), choices=(("sha256", "SHA-256"), ("sha512", "SHA-512"))
    )
    encoding = forms.ChoiceField(
        label=_("Written as"), choices=(("hex", _("hexadecimal")), ("base64", "Base64"))
    )
    before = forms.CharField(label=_("Prefix"), required=False, max_length=40)
    timestamp_header = forms.CharField(
        label=_("Header with the time"), required=False, max_length=100
    )
    delivery_header = forms.CharField(
        label=_("Header with the delivery's id"), required=False, max_length=100
    )
    answer = forms.ChoiceField(
        label=_("Answer"),
        choices=(("at-once", _("At once, with the run's id")), ("awaited", _("With its outputs"))),
    )
    wait_seconds = forms.IntegerField(
        label=_("Wait for at most, seconds"), min_value=1, max_value=60, initial=20, required=False
    )
    ip_allow = forms.CharField(
        label=_("Allowed addresses"), required=False,
        widget=forms.Textarea(MONO | {"rows": 2, "placeholder": "203.0.113.0/24"}),
        help_text=_("One address or network (CIDR) a line, at most 50. Empty: from anywhere."),
    )  # fmt: skip
    field_order = (
        "name", "scheme", "secret", "header", "algorithm", "encoding", "before",
        "timestamp_header", "delivery_header", "mapping", "query_from", "answer", "wait_seconds",
        "ip_allow", "inputs", "query",
    )  # fmt: skip

    def settings_of(self) -> dict[str, Any]:
        data = self.cleaned_data
        same = (
            "scheme",
            "algorithm",
            "encoding",
            "timestamp_header",
            "answer",
            "mapping",
        )
        return {name: data[name] for name in same} | {
            "header": data["header"] or "X-Signature",
            "prefix": data["before"],
            "delivery_header": data["delivery_header"],
            "wait_seconds": data["wait_seconds"] or 20,
            "query_from": data.get("query_from", ""),
            "ip_allow": data["ip_allow"].replace(",", "\n").splitlines(),
        }

    @classmethod
    def initial_of(cls, trigger: Trigger) -> dict[str, Any]:
        found = super().initial_of(trigger)
        return found | {"ip_allow": "\n".join(found["ip_allow"]), "before": found["prefix"]}


class RunEndedForm(MappedForm):
    source_workflow = forms.ModelChoiceField(
        Workflow.objects.none(), label=_("After runs of"), empty_label=None
    )
    states = forms.MultipleChoiceField(
        label=_("That ended as"),
        choices=[(state.value, state.label) for state in ENDED],
        widget=forms.CheckboxSelectMultiple,
        initial=[Run.State.SUCCEEDED, Run.State.PARTIAL],
    )
    field_order = (
        "name", "source_workflow", "states", "mapping", "query_from", "inputs", "query"
    )  # fmt: skip

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, actor=actor, **kwargs)
        rows = Workflow.objects.visible_to(actor, "run.view").order_by("name")
        field: Any = self.fields["source_workflow"]
        offered = list(rows.values_list("pk", flat=True)[:CHOICES])
        field.queryset = Workflow.objects.filter(pk__in=offered).order_by("name")
        self.fields["mapping"].widget.attrs["placeholder"] = "mail = outputs.text"

    def settings_of(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "states": data["states"],
            "mapping": data["mapping"],
            "query_from": data.get("query_from", ""),
        }

    def given(self) -> dict[str, Any]:
        return super().given() | {"source_workflow_id": self.cleaned_data["source_workflow"].pk}

    @classmethod
    def initial_of(cls, trigger: Trigger) -> dict[str, Any]:
        return super().initial_of(trigger) | {"source_workflow": trigger.source_workflow_id}


class RotateForm(forms.Form):
    secret = forms.CharField(
        label=_("New secret"), required=False, min_length=8, max_length=500,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=_("Empty: one is made here and shown once."),
    )  # fmt: skip
    overlap = forms.TypedChoiceField(
        label=_("The old secret is believed for"), coerce=int, initial=86_400,
        choices=(
            (0, _("Not at all: end it now")), (3600, _("One hour")), (86_400, _("One day")),
            (604_800, _("One week")),
        ),
    )  # fmt: skip


FORMS: Mapping[str, type[TriggerForm]] = {
    Trigger.Kind.SCHEDULE: ScheduleForm,
    Trigger.Kind.WEBHOOK: WebhookForm,
    Trigger.Kind.RUN_ENDED: RunEndedForm,
}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValidationError(gettext("Enter a JSON object."))
    return found
