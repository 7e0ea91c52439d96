"""Workflows and their immutable versions."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.models import TeamGrant, UserGrant
from orgs.visibility import Place, VisibleQuerySet


class WorkflowQuerySet(VisibleQuerySet):
    place = Place("workflow.view", project="project", shared="pk")


class Workflow(TenantModel):
    """A flow people know by name; what it does is said by its versions."""

    class Mode(models.TextChoices):
        WORKFLOW = "workflow", _("Workflow")
        CHAT = "advanced-chat", _("Chatflow")

    project = models.ForeignKey(
        "orgs.Project", models.PROTECT, related_name="+", verbose_name=_("project")
    )
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True)
    mode = models.CharField(_("mode"), max_length=16, choices=Mode, default=Mode.WORKFLOW)
    published = models.ForeignKey(
        "WorkflowVersion",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("published version"),
    )
    run_retention_days = models.PositiveIntegerField(
        _("days runs are kept"),
        null=True,
        blank=True,
        help_text=_("Empty: as long as the organization keeps them."),
    )
    searchable: models.JSONField[Any, Any] = models.JSONField(
        _("searchable values"), default=list, blank=True
    )
    """[{"name", "source": "input" or "output", "path"}]: what runs are found by."""
    latest_number = models.PositiveIntegerField(_("latest version"), default=0)
    created_by_id = models.UUIDField(null=True, editable=False)

    objects = WorkflowQuerySet.as_manager()

    class Meta:
        verbose_name = _("workflow")
        verbose_name_plural = _("workflows")
        indexes = (models.Index(fields=("organization", "-id"), name="workflow_org_newest"),)
        permissions = (
            ("run_workflow", "Can run workflow"),
            ("edit_workflow", "Can edit workflow"),
            ("publish_workflow", "Can publish workflow"),
            ("approve_workflow", "Can approve workflow"),
            ("admin_workflow", "Can administer workflow"),
        )

    def __str__(self) -> str:
        return self.name


class WorkflowGrant(UserGrant):
    """One right on one workflow for one person."""

    content_object = models.ForeignKey(Workflow, models.CASCADE, related_name="grants")

    class Meta(UserGrant.Meta):
        verbose_name = _("workflow grant")
        verbose_name_plural = _("workflow grants")


class WorkflowTeamGrant(TeamGrant):
    """One right on one workflow for one team."""

    content_object = models.ForeignKey(Workflow, models.CASCADE, related_name="team_grants")

    class Meta(TeamGrant.Meta):
        verbose_name = _("workflow grant to a team")
        verbose_name_plural = _("workflow grants to teams")


class VersionQuerySet(VisibleQuerySet):
    place = Place("workflow.view", project="workflow__project", shared="workflow")


class WorkflowVersion(TenantModel):
    """What a workflow does. Never changed once stored: running runs stay on theirs."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("number"))
    definition: models.JSONField[Any, Any] = models.JSONField(_("definition"))
    checksum = models.CharField(_("checksum"), max_length=64)
    report: models.JSONField[Any, Any] = models.JSONField(_("import report"), default=dict)
    source = models.ForeignKey(
        "files.StoredFile",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("original file"),
    )
    note = models.CharField(_("note"), max_length=300, blank=True)
    created_by_id = models.UUIDField(null=True, editable=False)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)

    objects = VersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("workflow version")
        verbose_name_plural = _("workflow versions")
        constraints = (
            models.UniqueConstraint(name="version_once", fields=("workflow", "number")),
            models.CheckConstraint(name="version_number_positive", condition=Q(number__gt=0)),
        )

    def __str__(self) -> str:
        return f"{self.workflow_id} v{self.number}"

    @property
    def unbound(self) -> list[dict[str, Any]]:
        """Tool nodes that are not connected to anything here yet."""
        found: list[dict[str, Any]] = self.report.get("unbound", [])
        return found
