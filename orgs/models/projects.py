"""Projects: where workflows, functions, datasets, tools and keys belong."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.visibility import Place, VisibleQuerySet


class ProjectQuerySet(VisibleQuerySet):
    place = Place("project.view", project="pk")


class Project(TenantModel):
    """A part of an organization's work. A restricted one is seen only by whom it was granted to.

    Every organization has one default project, which cannot be archived.
    """

    name = models.CharField(_("name"), max_length=80)
    description = models.CharField(_("description"), max_length=300, blank=True)
    is_default = models.BooleanField(_("default"), default=False, editable=False)
    restricted = models.BooleanField(
        _("restricted"),
        default=False,
        help_text=_("Roles alone do not open it: only owners, administrators and grants do."),
    )
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)
    created_by_id = models.UUIDField(null=True, editable=False)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        constraints = (
            models.UniqueConstraint("organization", Lower("name"), name="project_name_once"),
            models.UniqueConstraint(
                name="project_one_default", fields=("organization",), condition=Q(is_default=True)
            ),
        )
        indexes = (models.Index(fields=("organization", "-id"), name="project_org_newest"),)
        permissions = (
            ("run_project", "Can run what is in the project"),
            ("edit_project", "Can edit what is in the project"),
            ("publish_project", "Can publish what is in the project"),
            ("approve_project", "Can approve what is in the project"),
            ("admin_project", "Can administer the project"),
        )

    def __str__(self) -> str:
        return self.name
