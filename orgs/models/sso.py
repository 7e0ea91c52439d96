"""Sign-in through an organization's own identity provider (OpenID Connect)."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from core.secrets import SecretField
from orgs.models.members import Role
from orgs.visibility import Place, VisibleQuerySet

LONGEST_HOURS = 14 * 24
"""No session is older anyway (SESSION_COOKIE_AGE)."""


class SsoQuerySet(VisibleQuerySet):
    place = Place("org.manage")


class SsoConnection(TenantModel):
    """One OpenID Connect provider of one organization.

    Whoever it vouches for becomes a member at the first sign-in, with a role by its claims.
    """

    name = models.CharField(_("name"), max_length=80)
    issuer = models.URLField(_("issuer"), max_length=300)
    client_id = models.CharField(_("client id"), max_length=200)
    client_secret = SecretField(_("client secret"), blank=True, default="")
    scopes = models.CharField(_("scopes"), max_length=200, default="openid email profile")
    role_claim = models.CharField(_("claim with groups"), max_length=80, blank=True)
    role_map: models.JSONField[Any, Any] = models.JSONField(
        _("roles by group"), default=dict, blank=True
    )
    default_role = models.CharField(
        _("default role"), max_length=10, choices=Role, default=Role.MEMBER
    )
    max_age_hours = models.PositiveSmallIntegerField(
        _("hours until the provider is asked again"),
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_HOURS)],
    )
    """Between two sign-ins at the provider; a session made by it lasts no longer."""
    enabled = models.BooleanField(_("enabled"), default=True)
    enforced = models.BooleanField(
        _("enforced"),
        default=False,
        help_text=_("People of its domains sign in this way alone."),
    )

    objects = SsoQuerySet.as_manager()

    class Meta:
        verbose_name = _("single sign-on")
        verbose_name_plural = _("single sign-on")
        constraints = (
            models.UniqueConstraint("organization", Lower("name"), name="sso_name_once"),
        )

    def __str__(self) -> str:
        return self.name


class SsoDomain(TenantModel):
    """A mail domain an organization says is its own; it counts once that has been proven."""

    connection = models.ForeignKey(
        SsoConnection, models.CASCADE, related_name="domains", verbose_name=_("single sign-on")
    )
    domain = models.CharField(_("domain"), max_length=253)
    token = models.CharField(_("proof"), max_length=64)
    verified_at = models.DateTimeField(_("verified"), null=True, blank=True)

    objects = SsoQuerySet.as_manager()

    class Meta:
        verbose_name = _("sign-on domain")
        verbose_name_plural = _("sign-on domains")
        constraints = (
            models.UniqueConstraint(
                Lower("domain"),
                name="sso_domain_once",
                condition=models.Q(verified_at__isnull=False),
            ),
            models.UniqueConstraint("connection", Lower("domain"), name="sso_domain_named_once"),
        )

    def __str__(self) -> str:
        return self.domain
