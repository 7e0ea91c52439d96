"""What starts runs by itself, and what became of each time it did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from core.secrets import SecretField
from orgs.visibility import Place, VisibleQuerySet
from workflows.models.workflows import Workflow


class TriggerQuerySet(VisibleQuerySet):
    place = Place("workflow.view", project="workflow__project", shared="workflow")


class Trigger(TenantModel):
    """A rule that starts runs of one workflow: by the time, by a call, or by another run's end.

    Its runs act with the rights of `acts_for_user_id` or `acts_for_key_id`: whoever last said what
    it does. They are asked for anew each time it fires.
    """

    class Kind(models.TextChoices):
        SCHEDULE = "schedule", _("Schedule")
        WEBHOOK = "webhook", _("Webhook")
        RUN_ENDED = "run-ended", _("End of a run")

    workflow = models.ForeignKey(
        Workflow, models.CASCADE, related_name="triggers", verbose_name=_("workflow")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    name = models.CharField(_("name"), max_length=120)
    enabled = models.BooleanField(_("enabled"), default=True)
    config: models.JSONField[Any, Any] = models.JSONField(_("settings"), default=dict)
    inputs: models.JSONField[Any, Any] = models.JSONField(_("inputs"), default=dict, blank=True)
    query = models.TextField(_("message"), blank=True, default="")
    acts_for_user_id = models.UUIDField(null=True, editable=False)
    acts_for_key_id = models.UUIDField(null=True, editable=False)
    created_by_id = models.UUIDField(null=True, editable=False)
    failures = models.PositiveSmallIntegerField(_("failures in a row"), default=0)
    disabled_reason = models.CharField(max_length=60, blank=True, default="")
    """The code of the refusal for which it was switched off; empty when a person did."""
    last_fired_at = models.DateTimeField(_("last fired"), null=True, blank=True)
    next_occurrence = models.DateTimeField(_("next occurrence"), null=True, blank=True)
    next_at = models.DateTimeField(_("next start"), null=True, blank=True)
    """The next occurrence with its jitter: when the tick looks at this schedule again."""
    source_workflow = models.ForeignKey(
        Workflow, models.CASCADE, null=True, blank=True, related_name="+",
        verbose_name=_("after runs of"),
    )  # fmt: skip
    watched_from = models.DateTimeField(null=True, editable=False)
    """Runs that ended earlier are not this trigger's business."""
    swept_at = models.DateTimeField(null=True, editable=False)
    token_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001 - unique where given
    secret = SecretField(_("secret"), blank=True, default="")
    previous_secret = SecretField(blank=True, default="")
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TriggerQuerySet.as_manager()

    class Meta:
        verbose_name = _("trigger")
        verbose_name_plural = _("triggers")
        indexes = (
            models.Index(fields=("organization", "-id"), name="trigger_org_newest"),
            models.Index(fields=("workflow", "-id"), name="trigger_of_workflow"),
            models.Index(
                fields=("next_at",),
                name="trigger_due",
                condition=Q(enabled=True, next_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.name


class FiringQuerySet(VisibleQuerySet):
    place = Place("workflow.view", project="trigger__workflow__project", shared="trigger__workflow")


class TriggerFiring(models.Model):
    """One time that a trigger fired, or might have.

    `key` names what it fired for, once per trigger: an occurrence, a delivery, a run that ended.
    Runs are named by their public ids alone: they are deleted by rules of their own.
    """

    class Outcome(models.TextChoices):
        STARTED = "started", _("Started")
        QUEUED = "queued", _("Queued")
        SKIPPED = "skipped", _("Skipped")
        FAILED = "failed", _("Failed")
        REFUSED = "refused", _("Refused")
        REPLAYED = "replayed", _("Replayed")

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey("orgs.Organization", models.CASCADE, related_name="+")
    trigger = models.ForeignKey(Trigger, models.CASCADE, related_name="firings")
    key = models.CharField(max_length=120, null=True)  # noqa: DJ001 - unique where given
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome)
    occurrence = models.DateTimeField(_("occurrence"), null=True)
    run_id = models.UUIDField(_("run"), null=True)
    source_run_id = models.UUIDField(_("after run"), null=True)
    depth = models.PositiveSmallIntegerField(default=0)
    """How many ends of runs led here, one after the other."""
    reason = models.CharField(_("reason"), max_length=60, blank=True, default="")
    message = models.CharField(_("message"), max_length=300, blank=True, default="")
    count = models.PositiveIntegerField(_("count"), default=1)
    """Occurrences that this one row stands for."""
    created_at = models.DateTimeField(_("at"), auto_now_add=True)

    objects = FiringQuerySet.as_manager()

    class Meta:
        verbose_name = _("firing")
        verbose_name_plural = _("firings")
        constraints = (
            models.UniqueConstraint(name="firing_once", fields=("trigger", "key")),
            models.UniqueConstraint(
                name="firing_once_an_end",
                fields=("trigger", "source_run_id"),
                condition=Q(source_run_id__isnull=False),
            ),
        )
        indexes = (
            models.Index(fields=("trigger", "-id"), name="firing_newest"),
            models.Index(fields=("created_at",), name="firing_by_age"),
            models.Index(
                fields=("run_id",), name="firing_of_run", condition=Q(run_id__isnull=False)
            ),
            models.Index(
                fields=("trigger", "id"), name="firing_queued", condition=Q(outcome="queued")
            ),
        )

    def __str__(self) -> str:
        return f"{self.trigger_id} {self.outcome}"

    @property
    def at(self) -> datetime:
        return self.occurrence or self.created_at
