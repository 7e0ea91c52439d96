"""Invitations by mail: for one address, used once, for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.models.members import Role
from orgs.visibility import Place, VisibleQuerySet


class InvitationQuerySet(VisibleQuerySet):
    place = Place("member.manage")

    def open(self, at: datetime) -> Self:
        """Neither accepted, declined nor revoked, and in time."""
        return self.filter(accepted_at=None, revoked_at=None, declined_at=None, expires_at__gt=at)


class Invitation(TenantModel):
    """Asks one address to join. The link's secret is stored as a digest only."""

    email = models.EmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)
    teams: models.JSONField[Any, Any] = models.JSONField(_("teams"), default=list, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by_id = models.UUIDField(null=True, editable=False)
    language = models.CharField(_("language"), max_length=10, blank=True, editable=False)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    sending_at = models.DateTimeField(null=True, editable=False)
    """When the attempt began that has not ended yet: a worker may die in it."""
    expires_at = models.DateTimeField(_("expires"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    accepted_by_id = models.UUIDField(null=True, editable=False)
    declined_at = models.DateTimeField(_("declined"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = (
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                name="invitation_open_once",
                condition=Q(accepted_at=None, declined_at=None, revoked_at=None),
            ),
        )
        indexes = (models.Index(fields=("organization", "-id"), name="invitation_org_newest"),)

    def __str__(self) -> str:
        return self.email

    @property
    def state(self) -> str:
        """Accepted, declined, revoked, expired or open."""
        for name in ("accepted", "declined", "revoked"):
            if getattr(self, f"{name}_at"):
                return name
        return "open" if self.expires_at > now() else "expired"
