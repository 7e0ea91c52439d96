"""Organizations, who belongs to them, and the keys their programs hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from core.models import TenantModel, TenantQuerySet


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Administrator")
    BUILDER = "builder", _("Builder")
    APPROVER = "approver", _("Approver")
    FINANCE = "finance", _("Finance")
    MEMBER = "member", _("Member")
    GUEST = "guest", _("Guest")


class Organization(models.Model):
    """A tenant. Everything anybody owns here belongs to exactly one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("short name"), max_length=60, unique=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(TenantQuerySet):
    def owners_of(self, organization_id: UUID) -> Self:
        return self.filter(organization_id=organization_id, role=Role.OWNER)


class Membership(TenantModel):
    """A person's one role in one organization."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = (
            models.UniqueConstraint(name="membership_once", fields=("organization", "user")),
        )

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"


class ApiKeyQuerySet(TenantQuerySet):
    def live(self, at: datetime) -> Self:
        """Neither revoked nor expired, nor made by somebody who is disabled."""
        disabled = get_user_model().objects.filter(pk=OuterRef("created_by_id"), is_active=False)
        unexpired = Q(expires_at=None) | Q(expires_at__gt=at)
        return self.filter(unexpired, ~Exists(disabled), revoked_at=None)


class ApiKey(TenantModel):
    """A program's credential. Only its HMAC is stored; the clear text is shown once."""

    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=8, unique=True)
    digest = models.CharField(max_length=64, editable=False)
    scopes: models.JSONField[Any, Any] = models.JSONField(_("scopes"), default=list)
    created_by_id = models.UUIDField(null=True, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

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
