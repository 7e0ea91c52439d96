"""Work in the background that somebody asked for: who that was, and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TenantQuerySet
from orgs.actor import Actor

UNDER_WAY = ("queued", "running")


class JobQuerySet(TenantQuerySet):
    def under_way(self) -> Self:
        return self.filter(state__in=UNDER_WAY)

    def lapsed(self, at: datetime) -> Self:
        """Claimed by a worker that gives no more signs of life."""
        return self.filter(state="running", heartbeat_at__lt=at)


class Job(TenantModel):
    """Queued, then claimed by raising `epoch`: what a worker does later counts only under its own.

    It acts with the rights that whoever asked has at that time, see `orgs.returning`. A subclass
    has `state` (with `queued` and `running` among others), `done` and `total`.
    """

    state: Any
    done: Any
    total: Any
    error = models.CharField(_("error"), max_length=60, blank=True)
    user_id = models.UUIDField(null=True, editable=False)
    api_key_id = models.UUIDField(null=True, editable=False)
    support_id = models.UUIDField(null=True, editable=False)
    role = models.CharField(max_length=16, blank=True, editable=False)
    trace_id = models.CharField(_("trace id"), max_length=32)
    epoch = models.PositiveIntegerField(default=0, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        abstract = True

    @property
    def finished(self) -> bool:
        return self.state not in UNDER_WAY

    @property
    def went_through(self) -> int:
        return self.done

    @property
    def percent(self) -> int:
        """100 only when it is over."""
        if self.state == "succeeded":
            return 100
        return min(99, 100 * self.went_through // self.total) if self.total else 0


def asked_by(actor: Actor) -> dict[str, Any]:
    """The fields of a job that say who asked for it."""
    return {
        "user_id": actor.user_id,
        "api_key_id": actor.api_key_id,
        "support_id": actor.support_id,
        "role": actor.role,
    }
