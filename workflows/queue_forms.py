"""What people type about how runs queue and how often nodes work."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from workflows.actions.queueing import (
    FIELDS,
    LONGEST_TEMPLATE,
    LONGEST_TIMEOUT,
    MOST_CONCURRENT,
    MOST_PRIORITY,
)
from workflows.actions.rates import LONGEST_NAME, LONGEST_PERIOD, MOST_CALLS
from workflows.models import NodeRateLimit, RunPolicy


class RunPolicyForm(forms.Form):
    concurrency_key = forms.CharField(
        label=_("Concurrency key"),
        required=False,
        max_length=LONGEST_TEMPLATE,
        help_text=_(
            "Runs with the same key wait for each other, for example {{ inputs.customer }}. "
            "Empty: all runs of the workflow share one."
        ),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
    )
    max_concurrent = forms.IntegerField(
        label=_("Runs at once"),
        required=False,
        min_value=1,
        max_value=MOST_CONCURRENT,
        help_text=_("With the same key. Empty: one where there is a key, else any number."),
    )
    on_conflict = forms.ChoiceField(
        label=_("A run that comes while the key is taken"), choices=RunPolicy.OnConflict.choices
    )
    run_timeout_seconds = forms.IntegerField(
        label=_("Seconds a run may take"),
        required=False,
        min_value=1,
        max_value=LONGEST_TIMEOUT,
        help_text=_("From the queue to the end. Empty: as long as it takes."),
    )
    priority = forms.IntegerField(
        label=_("Priority"),
        min_value=-MOST_PRIORITY,
        max_value=MOST_PRIORITY,
        help_text=_("From -10 to 10. Among the organization's runs the highest goes first."),
    )

    @staticmethod
    def initial_of(policy: RunPolicy) -> dict[str, Any]:
        return {name: getattr(policy, name) for name in FIELDS}


class RateLimitForm(forms.Form):
    scope = forms.ChoiceField(label=_("What is limited"), choices=NodeRateLimit.Scope.choices)
    name = forms.CharField(
        label=_("Name"),
        max_length=LONGEST_NAME,
        help_text=_("A kind like http-request, or a connector: a host, a model, a tool."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
    )
    limit = forms.IntegerField(label=_("Calls"), min_value=1, max_value=MOST_CALLS)
    per_seconds = forms.IntegerField(
        label=_("In how many seconds"), min_value=1, max_value=LONGEST_PERIOD
    )
    burst = forms.IntegerField(
        label=_("At once"),
        required=False,
        min_value=1,
        max_value=MOST_CALLS,
        help_text=_("How many may start together after a pause. Empty: as many as the calls."),
    )
