"""The keys programs hold."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.models.projects import Project
from orgs.visibility import Place, VisibleQuerySet

if TYPE_CHECKING:
    from orgs.access import Actor


class ApiKeyQuerySet(VisibleQuerySet):
    place = Place("key.manage", project="project")

    def live(self, at: datetime) -> Self:
        """Neither revoked nor expired, nor made by somebody who is disabled."""
        disabled = get_user_model().objects.filter(pk=OuterRef("created_by_id"), is_active=False)
        unexpired = Q(expires_at=None) | Q(expires_at__gt=at)
        return self.filter(unexpired, ~Exists(disabled), revoked_at=None)

    def visible_to(self, actor: Actor, verb: str = "") -> Self:
        """All of the organization's for who manages keys; else those the person made.

        A key sees keys of its own project alone, and without `key.manage` those of its maker.
        """
        # Late: access stands above the models.
        from orgs.access import holds  # noqa: PLC0415

        mine = self.of(actor.organization_id)
        if actor.project_id is not None:
            mine = mine.filter(project_id=actor.project_id)
        if holds(actor, verb or "key.manage"):
            return mine
        return mine.filter(created_by_id__in=self._makers(actor)).exclude(created_by_id=None)

    def _makers(self, actor: Actor) -> list[Any] | QuerySet[Any]:
        if actor.api_key_id is not None:
            return ApiKey.objects.filter(pk=actor.api_key_id).values("created_by_id")
        return [actor.user_id] if actor.user_id else []

    def in_state(self, state: str, at: datetime) -> Self:
        """`active` (with those in rotation), `expired` or `revoked`, by the row alone."""
        if state == ApiKey.State.REVOKED:
            return self.exclude(revoked_at=None)
        unrevoked = self.filter(revoked_at=None)
        if state == ApiKey.State.EXPIRED:
            return unrevoked.filter(expires_at__lte=at)
        return unrevoked.filter(Q(expires_at=None) | Q(expires_at__gt=at))


class ApiKey(TenantModel):
    """A program's credential in one project. Its HMAC alone is stored; the text is shown once.

    It belongs to the project and answers to its maker: whoever leaves the organization, or loses
    the rights it carries, loses it.
    """

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        EXPIRED = "expired", _("Expired")
        REVOKED = "revoked", _("Revoked")

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
    last_used_ip = models.GenericIPAddressField(_("last used from"), null=True, blank=True)
    reminded_at = models.DateTimeField(_("reminded"), null=True, blank=True, editable=False)
    rotated_from = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="rotated_to",
        verbose_name=_("rotated from"),
        editable=False,
    )

    maker_name = ""
    """Filled in by pages, which read the names of all makers at once."""

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        indexes = (
            models.Index(fields=("organization", "-id"), name="apikey_org_newest"),
            models.Index(
                fields=("expires_at",),
                name="apikey_to_remind",
                condition=Q(revoked_at=None, reminded_at=None, expires_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} (lw_{self.prefix}…)"

    @property
    def live(self) -> bool:
        return self.state == self.State.ACTIVE

    @property
    def state(self) -> str:
        if self.revoked_at is not None:
            return self.State.REVOKED
        over = self.expires_at is not None and self.expires_at <= now()
        return self.State.EXPIRED if over else self.State.ACTIVE
