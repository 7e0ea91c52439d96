"""The tenant itself, and the policies it sets for its people."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7


class Organization(models.Model):
    """A tenant. Everything anybody owns here belongs to exactly one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("short name"), max_length=60, unique=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    require_second_factor = models.BooleanField(
        _("second factor required"),
        default=False,
        help_text=_("Members get in only with a second factor."),
    )
    cors_origins: models.JSONField[Any, Any] = models.JSONField(
        _("allowed origins"),
        default=list,
        blank=True,
        help_text=_("Origins whose scripts may call the API for this organization."),
    )
    audit_retention_days = models.PositiveIntegerField(
        _("days the audit trail is kept"),
        null=True,
        blank=True,
        help_text=_("Empty: for ever."),
    )
    run_retention_days = models.PositiveIntegerField(
        _("days runs are kept"),
        null=True,
        blank=True,
        help_text=_("Empty: for ever."),
    )
    closing_at = models.DateTimeField(
        _("closes"),
        null=True,
        blank=True,
        help_text=_("When the organization is deleted, unless somebody stops it before."),
    )
    closed_by_id = models.UUIDField(null=True, editable=False)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
