"""What outlives a run or is said about it: statistics, searchable values, log lines."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orgs.visibility import Place, VisibleQuerySet
from workflows.models.runs import OfRun
from workflows.models.workflows import Workflow

LONGEST_VALUE = 200
"""Characters of a value that runs are found by; the rest is cut off."""
LONGEST_MESSAGE = 4_000
"""Characters of a log line."""


class RollupQuerySet(VisibleQuerySet):
    place = Place("run.view", project="workflow__project", shared="workflow")


class RollupHour(models.Model):
    """Ends of one hour (or, `span` 24, of one day) of a workflow, or of one node of it.

    A row is a sum, so rows may be added in any order; `durations` are counts by the buckets of
    `workflows.history.buckets`.
    """

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(
        "orgs.Organization", models.CASCADE, related_name="+", db_index=False
    )
    workflow = models.ForeignKey(
        Workflow, models.CASCADE, related_name="rollups", db_index=False,
        verbose_name=_("workflow"),
    )  # fmt: skip
    node_id = models.CharField(_("node"), max_length=100, blank=True, default="")
    """Empty for the runs as a whole."""
    kind = models.CharField(_("kind"), max_length=40, blank=True, default="")
    hour = models.DateTimeField(_("hour"))
    span = models.PositiveSmallIntegerField(_("hours"), default=1)
    total = models.PositiveBigIntegerField(_("ends"), default=0)
    succeeded = models.PositiveBigIntegerField(_("succeeded"), default=0)
    failed = models.PositiveBigIntegerField(_("failed"), default=0)
    """Of `outcomes` those that say something about quality, for sums that the database makes."""
    outcomes: models.JSONField[Any, Any] = models.JSONField(_("outcomes"), default=dict)
    durations: models.JSONField[Any, Any] = models.JSONField(default=dict)
    duration_ms = models.PositiveBigIntegerField(_("milliseconds"), default=0)
    retries = models.PositiveBigIntegerField(_("retries"), default=0)
    tokens = models.PositiveBigIntegerField(_("tokens"), default=0)
    cost = models.BigIntegerField(_("cost"), default=0)
    errors: models.JSONField[Any, Any] = models.JSONField(_("errors"), default=dict)

    objects = RollupQuerySet.as_manager()

    class Meta:
        verbose_name = _("statistics of an hour")
        verbose_name_plural = _("statistics by the hour")
        constraints = (
            models.UniqueConstraint(
                name="rollup_once", fields=("workflow", "node_id", "hour", "span")
            ),
        )
        indexes = (
            models.Index(fields=("organization", "node_id", "hour"), name="rollup_of_org"),
            models.Index(fields=("hour",), name="rollup_hours", condition=Q(span=1)),
        )

    def __str__(self) -> str:
        return f"{self.workflow_id}/{self.node_id} {self.hour:%Y-%m-%d %H}+{self.span}"


class RunTag(OfRun):
    """A value of a run that its workflow declares searchable."""

    workflow = models.ForeignKey(
        Workflow, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    name = models.CharField(_("name"), max_length=60)
    value = models.CharField(_("value"), max_length=LONGEST_VALUE)

    class Meta:
        verbose_name = _("searchable value")
        verbose_name_plural = _("searchable values")
        constraints = (models.UniqueConstraint(name="tag_once", fields=("run", "name")),)
        indexes = (
            models.Index(
                fields=("organization_id", "name", "value", "-run"),
                name="tag_value",
                opclasses=("uuid_ops", "varchar_pattern_ops", "varchar_pattern_ops", "int8_ops"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class RunLog(OfRun):
    """Something that a node said of its work. Ordered by id."""

    class Level(models.TextChoices):
        DEBUG = "debug", _("Debug")
        INFO = "info", _("Info")
        WARNING = "warning", _("Warning")
        ERROR = "error", _("Error")

    seq = models.PositiveIntegerField(_("number"))
    """Counts the lines of a run, so that no run writes without end."""
    node_id = models.CharField(_("node"), max_length=100, blank=True, default="")
    iteration = models.CharField(max_length=100, blank=True, default="")
    level = models.CharField(_("level"), max_length=7, choices=Level, default=Level.INFO)
    message = models.CharField(_("message"), max_length=LONGEST_MESSAGE)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("log line")
        verbose_name_plural = _("log lines")
        indexes = (models.Index(fields=("run", "seq"), name="log_of_run"),)

    def __str__(self) -> str:
        return f"{self.run_id}#{self.seq} {self.level}"
