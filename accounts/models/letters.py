"""Letters on their way to people."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7


class LetterQuerySet(models.QuerySet["Letter"]):
    def of(self, organization_id: UUID | str) -> Self:
        return self.filter(organization_id=organization_id)

    def due(self, at: datetime) -> Self:
        return self.filter(state=Letter.State.WAITING, next_at__lte=at)


class Letter(models.Model):
    """One mail to one person, from the moment it is decided on until a mail server has taken it.

    Written in the transaction of what it tells of (`accounts.letters.write_letter`). Its words are
    rendered when it leaves; `context` holds no secret, and is emptied when the letter is over.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        MUTED = "muted", _("Not wanted")
        DROPPED = "dropped", _("Not needed any more")
        GIVEN_UP = "given_up", _("Given up")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization_id = models.UUIDField(_("organization"), null=True)
    """What it is about; none for a letter about the person's own account."""
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user")
    )
    email = models.CharField(_("e-mail address"), max_length=254, blank=True)
    """Empty: the person's own when it leaves. Set where it must not follow a change of that."""
    kind = models.CharField(_("kind"), max_length=80)
    """A kind of `accounts.notifications`."""
    template = models.CharField(_("template"), max_length=120)
    path = models.CharField(_("path"), max_length=500, blank=True)
    """Where the letter leads, below `PUBLIC_URL`."""
    context: models.JSONField[Any, Any] = models.JSONField(_("data"), default=dict)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    """Begun ones. Each raises it, so it also fences: who finds another number has lost the row."""
    error = models.CharField(_("error"), max_length=120, blank=True)
    """What the last attempt failed with: the name, and a mail server's code."""
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    next_at = models.DateTimeField(_("next attempt"), null=True)
    """Also the end of a claim: an attempt that has not ended by then may be made by another."""
    ended_at = models.DateTimeField(_("ended"), null=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        verbose_name = _("letter")
        verbose_name_plural = _("letters")
        indexes = (
            models.Index(fields=("next_at",), name="letter_due", condition=Q(state="waiting")),
            models.Index(fields=("organization_id",), name="letter_organization"),
            models.Index(fields=("ended_at",), name="letter_ended"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
