"""Files of an organization. The row says what a file is; its content lies in the storage."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.visibility import Place, VisibleQuerySet


class StoredFileQuerySet(VisibleQuerySet):
    place = Place("file.view", project="project", optional=True)


class StoredFile(TenantModel):
    """Written once and never changed: a new content is a new file."""

    project = models.ForeignKey(
        "orgs.Project",
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("project"),
    )
    name = models.CharField(_("name"), max_length=255)
    content_type = models.CharField(_("content type"), max_length=127)
    size = models.PositiveBigIntegerField(_("size"), help_text=_("bytes"))
    sha256 = models.CharField("SHA-256", max_length=64)
    key = models.CharField(_("storage key"), max_length=200, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=40)
    created_by_id = models.UUIDField(null=True, editable=False)

    objects = StoredFileQuerySet.as_manager()

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        indexes = (models.Index(fields=("organization", "-id"), name="file_org_newest"),)

    def __str__(self) -> str:
        return self.name
