"""The keys programs hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.models.projects import Project
from orgs.visibility import Place, VisibleQuerySet


class ApiKeyQuerySet(VisibleQuerySet):
    place = Place("key.manage", project="project")

    def live(self, at: datetime) -> Self:
        """Neither revoked nor expired, nor made by somebody who is disabled."""
        disabled = get_user_model().objects.filter(pk=OuterRef("created_by_id"), is_active=False)
        unexpired = Q(expires_at=None) | Q(expires_at__gt=at)
        return self.filter(unexpired, ~Exists(disabled), revoked_at=None)


class ApiKey(TenantModel):
    """A program's credential in one project. Its HMAC alone is stored; the text is shown once."""

    project = models.ForeignKey(
        Project, models.PROTECT, related_name="keys", verbose_name=_("project")
    )
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=8, unique=True)
    digest = models.CharField(max_length=64, editable=False)
    scopes: models.JSONField[Any, Any] = models.JSONField(_("scopes"), default=list)
    ip_allow: models.JSONField[Any, Any] = models.JSONField(
        _("allowed addresses"),
        default=list,
        blank=True,
        help_text=_("Addresses or networks (CIDR) it may be used from. Empty: from anywhere."),
    )
    created_by_id = models.UUIDField(null=True, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    rotated_from = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="rotated_to",
        verbose_name=_("rotated from"),
        editable=False,
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        indexes = (models.Index(fields=("organization", "-id"), name="apikey_org_newest"),)

    def __str__(self) -> str:
        return f"{self.name} (lw_{self.prefix}…)"

    @property
    def live(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now())
