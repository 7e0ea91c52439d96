"""How runs queue: a workflow's policy, who holds a concurrency key, how often nodes may work."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.visibility import Place, VisibleQuerySet
from workflows.models.runs import OfRunQuerySet, Run
from workflows.models.workflows import Workflow


class PolicyQuerySet(VisibleQuerySet):
    place = Place("workflow.view", project="workflow__project", shared="workflow")


class RunPolicy(TenantModel):
    """How the runs of one workflow queue. A workflow without a row bounds nothing."""

    class OnConflict(models.TextChoices):
        """What becomes of a run whose concurrency key is taken."""

        QUEUE = "queue", _("Wait its turn")
        SKIP = "skip", _("Refuse to start")
        CANCEL_RUNNING = "cancel_running", _("Cancel those before it")
        REPLACE_WAITING = "replace_waiting", _("Replace those that wait")

    workflow = models.OneToOneField(Workflow, models.CASCADE, related_name="run_policy")
    run_timeout_seconds = models.PositiveIntegerField(_("seconds a run may take"), null=True)
    max_concurrent = models.PositiveIntegerField(_("runs at once"), null=True)
    concurrency_key = models.CharField(_("concurrency key"), max_length=500, blank=True, default="")
    on_conflict = models.CharField(
        _("when the key is taken"), max_length=16, choices=OnConflict, default=OnConflict.QUEUE
    )
    priority = models.SmallIntegerField(_("priority"), default=0)

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("run policy")
        verbose_name_plural = _("run policies")

    def __str__(self) -> str:
        return str(self.workflow_id)

    @property
    def at_once(self) -> int | None:
        """How many live runs may share one key; None: any number. A key alone means one."""
        if self.max_concurrent is None and self.concurrency_key:
            return 1
        return self.max_concurrent


class ConcurrencySlot(models.Model):
    """One live run that holds its concurrency key. Counted under the lock of the key."""

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    workflow = models.ForeignKey(
        Workflow, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    key = models.CharField(_("concurrency key"), max_length=200)
    run = models.OneToOneField(
        Run, models.CASCADE, related_name="concurrency_slot", db_constraint=False
    )
    taken_at = models.DateTimeField(_("taken"), auto_now_add=True)

    objects = OfRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("concurrency slot")
        verbose_name_plural = _("concurrency slots")
        indexes = (models.Index(fields=("workflow", "key"), name="slot_key"),)

    def __str__(self) -> str:
        return f"{self.workflow_id}/{self.key}"


class LimitQuerySet(VisibleQuerySet):
    place = Place("workflow.view")


class NodeRateLimit(TenantModel):
    """How often nodes of one kind, or those with one connector, may start their effects."""

    class Scope(models.TextChoices):
        KIND = "kind", _("Kind of node")
        CONNECTOR = "connector", _("Connector")

    scope = models.CharField(_("scope"), max_length=10, choices=Scope)
    name = models.CharField(_("name"), max_length=200)
    limit = models.PositiveIntegerField(_("calls"))
    per_seconds = models.PositiveIntegerField(_("in seconds"))
    burst = models.PositiveIntegerField(_("at once"))

    objects = LimitQuerySet.as_manager()

    class Meta:
        verbose_name = _("rate limit of nodes")
        verbose_name_plural = _("rate limits of nodes")
        constraints = (
            models.UniqueConstraint(name="rate_once", fields=("organization", "scope", "name")),
            models.CheckConstraint(
                name="rate_positive",
                condition=Q(limit__gt=0, per_seconds__gt=0, burst__gt=0),
            ),
        )
        indexes = (models.Index(fields=("organization", "-id"), name="rate_org_newest"),)

    def __str__(self) -> str:
        return f"{self.scope}:{self.name}"
