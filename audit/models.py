"""Audit entries: who did what to which thing, when, under which trace."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _


class EntryQuerySet(models.QuerySet["Entry"]):
    def of(self, organization_id: UUID | str) -> Self:
        return self.filter(organization_id=organization_id)


class Entry(models.Model):
    """One thing that was done. Never changed, never deleted but by retention."""

    class ActorKind(models.TextChoices):
        USER = "user", _("user")
        KEY = "key", _("API key")
        SYSTEM = "system", _("system")

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField(_("organization"))
    action = models.CharField(_("action"), max_length=80)
    actor_kind = models.CharField(_("actor kind"), max_length=8, choices=ActorKind)
    actor_id = models.UUIDField(_("actor"), null=True)
    target_type = models.CharField(_("target type"), max_length=60)
    target_id = models.CharField(_("target"), max_length=120)
    summary = models.CharField(_("summary"), max_length=300, blank=True)
    data = models.JSONField(_("data"), default=dict)
    trace_id = models.CharField(_("trace id"), max_length=32)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = (
            models.Index(fields=("organization_id", "-id"), name="audit_org_newest"),
            models.Index(fields=("trace_id",), name="audit_trace"),
            models.Index(fields=("organization_id", "action", "-id"), name="audit_org_action"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.target_type} {self.target_id}"
