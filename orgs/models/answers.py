"""Answers kept for repeated requests: what `Idempotency-Key` finds again."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TenantQuerySet
from core.secrets import SecretField


class StoredAnswer(TenantModel):
    """One POST of one caller under one key. Without `status` it is still being worked on.

    Without organization it is a person's own affair: founding one, or answering an invitation.
    """

    organization = models.ForeignKey(  # type: ignore[assignment]  # may be none, unlike its base's
        "orgs.Organization", models.CASCADE, related_name="+", null=True, blank=True
    )

    caller = models.CharField(_("caller"), max_length=48)
    route = models.CharField(_("route"), max_length=300)
    key = models.CharField(_("key"), max_length=120)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    body = SecretField(blank=True, default="")
    locked_until = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(_("expires"), db_index=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        verbose_name = _("stored answer")
        verbose_name_plural = _("stored answers")
        constraints = (
            models.UniqueConstraint(
                name="stored_answer_once", fields=("organization", "caller", "route", "key")
            ),
            models.UniqueConstraint(
                name="persons_answer_once",
                fields=("caller", "route", "key"),
                condition=models.Q(organization=None),
            ),
        )

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
