"""Refresh tokens: one row a signed-in program, whichever token of it is the newest."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7


class TokenFamily(models.Model):
    """All refresh tokens that descend from one sign-in. Only `current` may be exchanged.

    The row holds ids of tokens, no token: they are signed, and nobody makes one from this.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40, db_index=True, editable=False)
    current = models.UUIDField()
    issued_at = models.DateTimeField()
    """When `current` was made; its token can be signed again from this, to the letter."""
    previous = models.UUIDField(null=True)
    client = models.CharField(max_length=64, blank=True)
    """A digest of who exchanged `previous`: the same may repeat it for a few seconds."""
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("signed-in program")
        verbose_name_plural = _("signed-in programs")
        indexes = (models.Index(fields=("expires_at",), name="tokenfamily_expires"),)

    def __str__(self) -> str:
        return str(self.pk)
