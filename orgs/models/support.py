"""Operators inside an organization as support: for a reason, for a while, in the open."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.visibility import Place, VisibleQuerySet


class SupportAccessQuerySet(VisibleQuerySet):
    place = Place("support.view")

    def running(self, at: datetime) -> Self:
        return self.filter(ended_at=None, expires_at__gt=at)


class SupportAccess(TenantModel):
    """One stay of one operator. Never deleted: the organization can always see who was there."""

    class Level(models.TextChoices):
        VIEW = "view", _("Look only")
        ACT = "act", _("Act as an administrator")

    operator = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("operator")
    )
    level = models.CharField(_("level"), max_length=6, choices=Level, default=Level.VIEW)
    reason = models.CharField(_("reason"), max_length=500)
    expires_at = models.DateTimeField(_("expires"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ended_by_id = models.UUIDField(null=True, editable=False)

    objects = SupportAccessQuerySet.as_manager()

    class Meta:
        verbose_name = _("support access")
        verbose_name_plural = _("support accesses")
        constraints = (
            models.CheckConstraint(name="support_has_reason", condition=~Q(reason="")),
            models.CheckConstraint(
                name="support_is_bounded", condition=Q(expires_at__gt=F("created_at"))
            ),
        )
        indexes = (models.Index(fields=("organization", "-id"), name="support_org_newest"),)

    def __str__(self) -> str:
        return f"{self.operator} · {self.get_level_display()}"

    @property
    def running(self) -> bool:
        return self.ended_at is None and self.expires_at > now()
