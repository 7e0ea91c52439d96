"""Providers and the models an organization calls through them."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from core.secrets import SecretField
from orgs.visibility import Place, VisibleQuerySet

OFFLINE_MODEL = "loomwork-offline"


class ProviderQuerySet(VisibleQuerySet):
    place = Place("model.view")


class Provider(TenantModel):
    """Where models run: an OpenAI-compatible address with a key, or the built-in offline one."""

    class Kind(TextChoices):
        OFFLINE = "offline", _("Offline demonstration")
        OPENAI = "openai", _("OpenAI-compatible")

    class LimitParameter(TextChoices):
        MAX_TOKENS = "max_tokens", "max_tokens"
        MAX_COMPLETION_TOKENS = "max_completion_tokens", "max_completion_tokens"

    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.OPENAI)
    base_url = models.CharField(
        _("base URL"), max_length=500, blank=True, help_text=_("Up to and including /v1")
    )
    api_key = SecretField(_("API key"), blank=True, default="")
    limit_parameter = models.CharField(
        _("output limit field"),
        max_length=24,
        choices=LimitParameter,
        default=LimitParameter.MAX_TOKENS,
        help_text=_("How this provider is told the longest answer to write."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        constraints = (
            models.UniqueConstraint(name="provider_name_once", fields=("organization", "name")),
            models.CheckConstraint(
                name="provider_has_address", condition=Q(kind="offline") | ~Q(base_url="")
            ),
        )

    def __str__(self) -> str:
        return self.name


class ModelQuerySet(VisibleQuerySet):
    place = Place("model.view")

    def callable_by(self, organization_id: UUID | str) -> Self:
        return self.of(organization_id).filter(enabled=True, provider__enabled=True)


class Model(TenantModel):
    """A model under the name callers use; `upstream_name` is what its provider calls it."""

    name = models.CharField(_("name"), max_length=120)
    provider = models.ForeignKey(
        Provider, models.PROTECT, related_name="models", verbose_name=_("provider")
    )
    upstream_name = models.CharField(_("name at the provider"), max_length=160, blank=True)
    context_window = models.PositiveIntegerField(_("context window"), default=128_000)
    max_output_tokens = models.PositiveIntegerField(_("longest answer"), default=4_096)
    enabled = models.BooleanField(_("enabled"), default=True)

    objects = ModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        constraints = (
            models.UniqueConstraint(name="model_name_once", fields=("organization", "name")),
            models.CheckConstraint(
                name="model_writes_something", condition=Q(max_output_tokens__gte=1)
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def called_upstream(self) -> str:
        return self.upstream_name or self.name
