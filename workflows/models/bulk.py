"""One command to many runs, carried out in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orgs.actor import holds
from orgs.models.jobs import Job, JobQuerySet

if TYPE_CHECKING:
    from orgs.access import Actor


class BulkQuerySet(JobQuerySet):
    def visible_to(self, actor: Actor) -> Self:
        """One's own, and everybody's for who may control runs."""
        rows = self.of(actor.organization_id)
        if holds(actor, "run.control"):
            return rows
        if actor.api_key_id is not None:
            return rows.filter(api_key_id=actor.api_key_id)
        if actor.user_id is None:
            return rows.none()
        return rows.filter(user_id=actor.user_id)


class BulkCommand(Job):
    """Goes through the runs that its filter names, by their ids, up to the newest of its start.

    `cursor` is the last run it has been through and moves in the transaction of the command to that
    run, so a crash neither leaves one out nor does one twice. A worker claims it by raising
    `epoch`; what it does later counts only while the epoch is still its own.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    command = models.CharField(_("command"), max_length=10)
    filters: models.JSONField[Any, Any] = models.JSONField(_("filters"), default=dict)
    arguments: models.JSONField[Any, Any] = models.JSONField(_("arguments"), default=dict)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    total = models.PositiveIntegerField(_("runs"), default=0)
    done = models.PositiveIntegerField(_("carried out"), default=0)
    refused = models.PositiveIntegerField(_("refused"), default=0)
    codes: models.JSONField[Any, Any] = models.JSONField(_("refusals by code"), default=dict)
    cursor = models.BigIntegerField(default=0, editable=False)
    through = models.BigIntegerField(default=0, editable=False)
    crashes = models.PositiveSmallIntegerField(default=0, editable=False)

    objects = BulkQuerySet.as_manager()

    class Meta:
        verbose_name = _("command to many runs")
        verbose_name_plural = _("commands to many runs")
        indexes = (
            models.Index(fields=("organization", "-id"), name="bulk_org_newest"),
            models.Index(
                fields=("heartbeat_at",),
                name="bulk_under_way",
                condition=Q(state__in=("queued", "running")),
            ),
            models.Index(
                fields=("finished_at",),
                name="bulk_finished",
                condition=Q(finished_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.command} {self.pk}"

    @property
    def went_through(self) -> int:
        return self.done + self.refused
