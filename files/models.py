"""Files of an organization. The row says what a file is; its content lies in the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TenantQuerySet
from orgs.access import can

if TYPE_CHECKING:
    from orgs.access import Actor


class StoredFileQuerySet(TenantQuerySet):
    def visible_to(self, actor: Actor) -> Self:
        """Files of the actor's organization, if the actor may see files at all."""
        return self.of(actor.organization_id) if can(actor, "file.view") else self.none()


class StoredFile(TenantModel):
    """Written once and never changed: a new content is a new file."""

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
