"""Files of an organization. The row says what a file is; its content lies in the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from files.sources import all_sources, label_of
from orgs.models.jobs import Job, JobQuerySet
from orgs.visibility import Place, VisibleQuerySet

if TYPE_CHECKING:
    from orgs.access import Actor


EXPORT_KIND = "export"
ARCHIVE = "archive"
"""The kind of file that holds a whole organization: for its owners, through `Archive` alone."""


class StoredFileQuerySet(VisibleQuerySet):
    place = Place("file.view", project="project", optional=True)

    def visible_to(self, actor: Actor, verb: str = "") -> Self:
        """What an export or an archive has written is had through that alone.

        It asks for the right to what is inside.
        """
        return super().visible_to(actor, verb).exclude(kind__in=(EXPORT_KIND, ARCHIVE))


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


class ExportQuerySet(JobQuerySet):
    def visible_to(self, actor: Actor) -> Self:
        """Exports of what the actor may see, whoever in the organization started them."""
        allowed = [source.name for source in all_sources() if source.allows(actor)]
        return self.of(actor.organization_id).filter(source__in=allowed)


class Export(Job):
    """Rows of one source, written to a file in the background.

    A worker claims it by raising `epoch`; whatever it writes later counts only while the epoch is
    still its own. `done` of `total` rows are written; `total` is unknown before the worker begins.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        EXPIRED = "expired", _("Expired")

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        JSONL = "jsonl", "JSON Lines"

    source = models.CharField(_("source"), max_length=40)
    format = models.CharField(_("format"), max_length=8, choices=Format)
    filters: models.JSONField[Any, Any] = models.JSONField(_("filters"), default=dict)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    done = models.PositiveBigIntegerField(_("rows written"), default=0)
    total = models.PositiveBigIntegerField(_("rows"), null=True)
    file = models.ForeignKey(
        StoredFile, models.SET_NULL, null=True, related_name="+", verbose_name=_("file")
    )
    expires_at = models.DateTimeField(_("expires"), null=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        indexes = (
            models.Index(fields=("organization", "-id"), name="export_org_newest"),
            models.Index(
                fields=("heartbeat_at",),
                name="export_running",
                condition=models.Q(state="running"),
            ),
            models.Index(
                fields=("expires_at",),
                name="export_to_expire",
                condition=models.Q(state="succeeded"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.source} {self.format}"

    @property
    def label(self) -> str:
        """What it is an export of, for people."""
        return str(label_of(self.source))


class ArchiveQuerySet(VisibleQuerySet):
    place = Place("org.close")

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
