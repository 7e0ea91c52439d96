"""Files of an organization. The row says what a file is; its content lies in the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TenantQuerySet
from orgs.access import can

if TYPE_CHECKING:
    from orgs.access import Actor


ARCHIVE = "archive"
"""The kind of file that holds a whole organization: for its owners, through `Archive` alone."""


class StoredFileQuerySet(TenantQuerySet):
    def visible_to(self, actor: Actor) -> Self:
        """Files of the actor's organization, if the actor may see files at all."""
        if not can(actor, "file.view"):
            return self.none()
        return self.of(actor.organization_id).exclude(kind=ARCHIVE)


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


class ArchiveQuerySet(TenantQuerySet):
    def visible_to(self, actor: Actor) -> Self:
        return self.of(actor.organization_id) if can(actor, "org.close") else self.none()

    def under_way(self) -> Self:
        return self.filter(state__in=(Archive.State.QUEUED, Archive.State.RUNNING))


class Archive(TenantModel):
    """Everything an organization may take along, as one ZIP that expires."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        EXPIRED = "expired", _("Expired")

    state = models.CharField(_("state"), max_length=8, choices=State, default=State.QUEUED)
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    file = models.ForeignKey(
        StoredFile, models.SET_NULL, null=True, related_name="+", verbose_name=_("file")
    )
    requested_by_id = models.UUIDField(null=True, editable=False)
    claimed_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True)

    objects = ArchiveQuerySet.as_manager()

    class Meta:
        verbose_name = _("archive")
        verbose_name_plural = _("archives")
        constraints = (
            models.UniqueConstraint(
                name="archive_one_under_way",
                fields=("organization",),
                condition=models.Q(state__in=("queued", "running")),
            ),
        )
        indexes = (models.Index(fields=("organization", "-id"), name="archive_org_newest"),)

    def __str__(self) -> str:
        return f"{self.organization} · {self.get_state_display()}"
