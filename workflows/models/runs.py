"""Runs and what became durable of them. Written by the engine's store, read by everybody else.

Steps and events carry no database foreign key to their run: the statement that inserts them joins
the run's row under its fence, so an orphan cannot be born, and every insert is spared a look-up.
"""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from orgs.visibility import Place, VisibleQuerySet
from workflows.models.values import HoldsValues, ValueField
from workflows.models.workflows import Workflow, WorkflowVersion


class RunQuerySet(VisibleQuerySet):
    place = Place("run.view", project="workflow__project", shared="workflow")

    def unfinished(self) -> Self:
        return self.filter(state__in=Run.LIVE)


class Run(HoldsValues):
    """One execution of one version. `epoch` fences: a write with an older one has no effect."""

    class State(models.TextChoices):
        SCHEDULED = "scheduled", _("Scheduled")
        HELD = "held", _("Held back")
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        WAITING = "waiting", _("Waiting")
        PAUSED = "paused", _("Paused")
        PARKED = "parked", _("Parked")
        SUCCEEDED = "succeeded", _("Succeeded")
        PARTIAL = "partial-succeeded", _("Partly succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        TERMINATED = "terminated", _("Terminated")
        TIMED_OUT = "timed-out", _("Timed out")

    LIVE = (
        State.SCHEDULED, State.HELD, State.QUEUED, State.RUNNING, State.WAITING, State.PAUSED,
        State.PARKED,
    )  # fmt: skip
    """Not over. SCHEDULED waits for `not_before`, HELD for its concurrency key, WAITING for an
    answer or a time, PAUSED for a person's word; PARKED was given up after too many crashes.
    """

    class Trigger(models.TextChoices):
        MANUAL = "manual", _("By hand")
        API = "api", _("API")
        COMMAND = "command", _("Command line")
        SCHEDULE = "schedule", _("Schedule")
        WEBHOOK = "webhook", _("Webhook")
        RUN_ENDED = "run-ended", _("End of a run")
        PARENT = "parent", _("Another run")
        RERUN = "rerun", _("Rerun")

    class Control(models.TextChoices):
        """What somebody asked of a run that a worker has in hand."""

        NONE = "", _("Nothing")
        PAUSE = "pause", _("Pause")
        CANCEL = "cancel", _("Cancel")

    class ParentClose(models.TextChoices):
        """What becomes of a run when the run that started it ends before it."""

        CANCEL = "cancel", _("Cancel")
        LEAVE = "leave", _("Leave")

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(_("id"), default=uuid7, unique=True, editable=False)
    organization = models.ForeignKey("orgs.Organization", models.CASCADE, related_name="+")
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="runs", db_index=False)
    version = models.ForeignKey(WorkflowVersion, models.CASCADE, related_name="+")
    state = models.CharField(_("state"), max_length=18, choices=State, default=State.QUEUED)
    trigger = models.CharField(_("trigger"), max_length=10, choices=Trigger)
    control = models.CharField(max_length=10, choices=Control, blank=True, default="")
    seq = models.PositiveIntegerField(default=0)
    epoch = models.PositiveIntegerField(default=0)
    owner = models.UUIDField(null=True)
    wakes = models.PositiveIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(_("crashes"), default=0)
    priority = models.SmallIntegerField(_("priority"), default=0)
    generation = models.PositiveSmallIntegerField(default=0)
    """How often it was reset: part of the keys of its effects, so that they happen anew."""
    not_before = models.DateTimeField(_("not before"), null=True)
    deadline_at = models.DateTimeField(_("deadline"), null=True)
    concurrency_key = models.CharField(_("concurrency key"), max_length=200, blank=True, default="")
    parent = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, related_name="children", db_constraint=False,
        db_index=False, verbose_name=_("started by run"),
    )  # fmt: skip
    parent_node = models.CharField(max_length=100, blank=True, default="")
    parent_iteration = models.CharField(max_length=100, blank=True, default="")
    parent_close = models.CharField(max_length=10, choices=ParentClose, blank=True, default="")
    source = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, related_name="reruns", db_constraint=False,
        db_index=False, verbose_name=_("rerun of"),
    )  # fmt: skip
    source_node = models.CharField(_("rerun from node"), max_length=100, blank=True, default="")
    inputs: models.JSONField[Any, Any] = ValueField(_("inputs"), default=dict)
    system: models.JSONField[Any, Any] = ValueField(default=dict)
    outputs: models.JSONField[Any, Any] = ValueField(_("outputs"), null=True)
    error: models.JSONField[Any, Any] = models.JSONField(_("error"), null=True)
    trace_id = models.CharField(_("trace id"), max_length=32)
    idempotency_key = models.CharField(max_length=120, null=True)  # noqa: DJ001 - unique where given
    started_by_id = models.UUIDField(null=True)
    api_key_id = models.UUIDField(null=True)
    step_count = models.PositiveIntegerField(_("steps"), default=0)
    tokens = models.PositiveBigIntegerField(_("tokens"), default=0)
    cost = models.BigIntegerField(_("cost"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    counted_epoch = models.IntegerField(default=-1, db_default=-1, editable=False)
    """The epoch whose end the statistics hold; a run that ended under another one is due."""
    counted_step = models.BigIntegerField(default=0, db_default=0, editable=False)
    """The last of its steps that the statistics hold."""

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints = (
            models.UniqueConstraint(
                name="run_idempotency", fields=("organization", "idempotency_key")
            ),
        )
        indexes = (
            models.Index(fields=("organization", "-id"), name="run_org_newest"),
            models.Index(fields=("workflow", "-id"), name="run_workflow_newest"),
            models.Index(fields=("trace_id",), name="run_trace"),
            models.Index(
                fields=("api_key_id", "-id"),
                name="run_of_key",
                condition=Q(api_key_id__isnull=False),
            ),
            models.Index(
                fields=("organization", "-priority", "id"),
                name="run_queued",
                condition=Q(state="queued"),
            ),
            models.Index(fields=("owner",), name="run_running", condition=Q(state="running")),
            models.Index(
                fields=("not_before",), name="run_scheduled", condition=Q(state="scheduled")
            ),
            models.Index(
                fields=("workflow", "concurrency_key", "-priority", "id"),
                name="run_held",
                condition=Q(state="held"),
            ),
            models.Index(
                fields=("deadline_at",),
                name="run_overdue",
                condition=Q(deadline_at__isnull=False, ended_at__isnull=True),
            ),
            models.Index(
                fields=("parent",), name="run_children", condition=Q(parent__isnull=False)
            ),
            models.Index(
                fields=("parent",),
                name="run_live_children",
                condition=Q(parent__isnull=False, ended_at__isnull=True),
            ),
            models.Index(fields=("source",), name="run_reruns", condition=Q(source__isnull=False)),
            models.Index(
                fields=("workflow", "ended_at", "id"),
                name="run_ended",
                condition=Q(ended_at__isnull=False),
            ),
            models.Index(
                fields=("ended_at",),
                name="run_uncounted",
                condition=Q(ended_at__isnull=False) & ~Q(counted_epoch=F("epoch")),
            ),
            models.Index(
                fields=("organization", "-id"),
                name="run_live",
                condition=Q(ended_at__isnull=True),
            ),
            models.Index(
                fields=("organization", "state", "-id"),
                name="run_ended_state",
                condition=Q(ended_at__isnull=False),
            ),
        )

    repeated: bool = False
    """Set on a run that was found under its idempotency key instead of being started."""

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def finished(self) -> bool:
        return self.state not in self.LIVE

    @property
    def duration_ms(self) -> int | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return round((self.ended_at - self.started_at).total_seconds() * 1000)


class OfRunQuerySet(VisibleQuerySet):
    place = Place("run.view", project="run__workflow__project", shared="run__workflow")


class OfRun(HoldsValues):
    """A row that belongs to a run (and so to its organization)."""

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    run = models.ForeignKey(
        Run, models.CASCADE, related_name="%(class)ss", db_constraint=False, db_index=False
    )

    objects = OfRunQuerySet.as_manager()

    class Meta:
        abstract = True


class Step(OfRun):
    """One settled execution of one node; insert-only, once per (run, node, iteration)."""

    node_id = models.CharField(_("node"), max_length=100)
    iteration = models.CharField(max_length=100, blank=True, default="")
    kind = models.CharField(_("kind"), max_length=40)
    status = models.CharField(_("status"), max_length=12)
    handle = models.CharField(max_length=100, default="source")
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=1)
    inputs: models.JSONField[Any, Any] = ValueField(_("inputs"), default=dict)
    outputs: models.JSONField[Any, Any] = ValueField(_("outputs"), default=dict)
    error = models.TextField(_("error"), blank=True, default="")
    error_code = models.CharField(max_length=60, blank=True, default="")
    usage: models.JSONField[Any, Any] = models.JSONField(_("usage"), default=dict)
    cost = models.BigIntegerField(_("cost"), default=0)
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"))

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        constraints = (
            models.UniqueConstraint(name="step_once", fields=("run", "node_id", "iteration")),
        )

    def __str__(self) -> str:
        return f"{self.run_id}/{self.node_id}"

    @property
    def duration_ms(self) -> int:
        return round((self.ended_at - self.started_at).total_seconds() * 1000)


class Event(OfRun):
    """One change of a run, numbered without gaps from 1."""

    seq = models.PositiveIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=30)
    node_id = models.CharField(_("node"), max_length=100, blank=True, default="")
    data: models.JSONField[Any, Any] = ValueField(_("data"), default=dict)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = (models.UniqueConstraint(name="event_gapless", fields=("run", "seq")),)
        indexes = (
            models.Index(
                fields=("organization_id", "id"),
                name="event_of_runs",
                condition=Q(kind__startswith="run."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.run_id}#{self.seq} {self.kind}"


class RunWait(OfRun):
    """Something a resting run waits for."""

    node_id = models.CharField(_("node"), max_length=100)
    iteration = models.CharField(max_length=100, blank=True, default="")
    kind = models.CharField(_("kind"), max_length=10)
    key = models.CharField(max_length=200)
    wake_at = models.DateTimeField(_("wakes at"), null=True)
    data: models.JSONField[Any, Any] = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("wait")
        verbose_name_plural = _("waits")
        constraints = (
            models.UniqueConstraint(name="wait_once", fields=("run", "node_id", "iteration")),
        )
        indexes = (
            models.Index(fields=("wake_at",), name="wait_due", condition=Q(wake_at__isnull=False)),
            models.Index(fields=("run",), name="wait_of_child", condition=Q(kind="run")),
        )

    def __str__(self) -> str:
        return f"{self.run_id}/{self.node_id} {self.kind}"


class Signal(OfRun):
    """An answer for a waiting node; delivered once however often it is sent."""

    name = models.CharField(_("name"), max_length=100, blank=True, default="")
    """Of a signal that any node may wait for by this name; empty for the answer to one node."""
    node_id = models.CharField(_("node"), max_length=100, blank=True, default="")
    iteration = models.CharField(max_length=100, blank=True, default="")
    payload: models.JSONField[Any, Any] = models.JSONField(default=dict)
    delivery_id = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("signal")
        verbose_name_plural = _("signals")
        indexes = (models.Index(fields=("run",), name="signal_run"),)

    def __str__(self) -> str:
        return f"{self.run_id}/{self.node_id}"


class WorkerProcess(models.Model):
    """A process that advances runs; one heartbeat for all of them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    host = models.CharField(_("host"), max_length=120)
    pid = models.PositiveIntegerField(_("process"))
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    alive_until = models.DateTimeField(_("alive until"))

    class Meta:
        verbose_name = _("worker process")
        verbose_name_plural = _("worker processes")

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
