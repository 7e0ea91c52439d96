"""Approvals: versioned definitions, processes, tasks, candidates, decisions, comments.

viewflow's own rows (`viewflow.Process`, `viewflow.Task`) hold only where the token stands; whom it
concerns, what was asked and what was answered is held here, per organization.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from bpm.candidates import principals_of
from core.ids import uuid7
from core.models import TenantModel, TenantQuerySet
from orgs.actor import holds, opens_every_project
from orgs.visibility import Place, VisibleQuerySet, open_to_role

if TYPE_CHECKING:
    from orgs.access import Actor

USER = settings.AUTH_USER_MODEL


def digest_of(value: Any) -> str:
    """SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8), in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Definition(models.Model):
    """A kind of approval. Without organization it is built in and open to all."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey("orgs.Organization", models.CASCADE, null=True, blank=True)
    key = models.SlugField(_("key"), max_length=80)
    title = models.CharField(_("title"), max_length=200)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("approval definition")
        verbose_name_plural = _("approval definitions")
        constraints = (
            models.UniqueConstraint(name="definition_key_once", fields=("organization", "key")),
            models.UniqueConstraint(
                name="definition_builtin_once", fields=("key",), condition=Q(organization=None)
            ),
        )

    def __str__(self) -> str:
        return self.title


class DefinitionVersion(models.Model):
    """What a definition said at one time. Never changed: running processes stay on theirs.

    `spec`: `{"stages": [{"id", "mode"}]}`; mode "any" means the first decision is the outcome.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    definition = models.ForeignKey(Definition, models.RESTRICT, related_name="versions")
    number = models.PositiveIntegerField(_("number"))
    spec = models.JSONField(_("specification"))
    sha256 = models.CharField(_("digest"), max_length=64)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("definition version")
        verbose_name_plural = _("definition versions")
        constraints = (
            models.UniqueConstraint(name="version_number_once", fields=("definition", "number")),
        )

    def __str__(self) -> str:
        return f"{self.definition} {self.number}"


class ProcessInfo(TenantModel):
    """One approval: who asked, about what, in which state the subject was when it was asked."""

    process = models.OneToOneField("viewflow.Process", models.PROTECT, related_name="info")
    version = models.ForeignKey(DefinitionVersion, models.RESTRICT, related_name="processes")
    requester = models.ForeignKey(
        USER, models.SET_NULL, null=True, related_name="+", verbose_name=_("requested by")
    )
    project = models.ForeignKey(
        "orgs.Project", models.RESTRICT, null=True, related_name="+", verbose_name=_("project")
    )
    kind = models.CharField(_("kind"), max_length=80)
    subject_id = models.CharField(_("subject"), max_length=120)
    title = models.CharField(_("title"), max_length=200)
    snapshot = models.JSONField(_("snapshot"), default=dict)
    snapshot_sha256 = models.CharField(_("snapshot digest"), max_length=64)
    request = models.JSONField(_("request"), default=dict)
    trace_id = models.CharField(_("trace id"), max_length=32)
    idempotency_key = models.CharField(_("idempotency key"), max_length=200)
    stage = models.PositiveSmallIntegerField(_("stage"), default=0)
    outcome = models.CharField(_("outcome"), max_length=80, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        constraints = (
            models.UniqueConstraint(
                name="process_key_once", fields=("organization", "idempotency_key")
            ),
        )
        indexes = (
            models.Index(fields=("kind", "subject_id"), name="bpm_process_subject"),
            models.Index(fields=("trace_id",), name="bpm_process_trace"),
        )

    def __str__(self) -> str:
        return self.title


class HumanTaskQuerySet(VisibleQuerySet):
    place = Place("task.view", project="process__project", optional=True)

    def visible_to(self, actor: Actor, verb: str = "") -> Self:
        """Tasks of projects that are open to the actor, and what they are, or were, asked."""
        verb = verb or self.place.verb
        if actor.scopes is not None or opens_every_project(actor) or not holds(actor, verb):
            return super().visible_to(actor, verb)
        asked = Candidate.objects.filter(task=OuterRef("pk"), principal__in=principals_of(actor))
        decided = Decision.objects.filter(task=OuterRef("pk"), actor_id=actor.user_id)
        open_to_all = open_to_role(self.model, actor, self.place, verb)
        return self.of(actor.organization_id).filter(open_to_all | Exists(asked) | Exists(decided))

    def open_for(self, actor: Actor) -> Self:
        """Undecided, and not in somebody else's hands."""
        return self.filter(
            Q(status=HumanTask.Status.OPEN)
            | Q(status=HumanTask.Status.CLAIMED, claimed_by_id=actor.user_id)
        )

    def with_candidate(self, actor: Actor) -> Self:
        named = Candidate.objects.filter(task=OuterRef("pk"), principal__in=principals_of(actor))
        return self.filter(Exists(named))

    def inbox_of(self, actor: Actor) -> Self:
        """What waits for the actor: open or claimed by them, with them among the candidates."""
        if not holds(actor, "task.decide"):
            return self.none()
        return self.visible_to(actor).open_for(actor).with_candidate(actor)

    def claimed_by(self, actor: Actor) -> Self:
        held = self.visible_to(actor).filter(status=HumanTask.Status.CLAIMED)
        return held.filter(claimed_by_id=actor.user_id) if actor.user_id else self.none()

    def done_by(self, actor: Actor) -> Self:
        """Tasks the actor has decided."""
        if not actor.user_id:
            return self.none()
        return self.visible_to(actor).filter(decisions__actor_id=actor.user_id)

    def with_people(self) -> Self:
        """One query for a list that shows who asked and who holds the task."""
        return self.select_related("process__requester", "claimed_by")

    def with_history(self) -> Self:
        """Three more queries, however long the history."""
        return self.prefetch_related(
            models.Prefetch("candidates", Candidate.objects.order_by("pk")),
            models.Prefetch("decisions", Decision.objects.select_related("actor").order_by("pk")),
            models.Prefetch("comments", Comment.objects.select_related("author").order_by("pk")),
        )

    def urgent_first(self) -> Self:
        return self.order_by(models.F("due_at").asc(nulls_last=True), "pk")


class HumanTask(TenantModel):
    """One stage of an approval, as it waits in inboxes. One viewflow task stands behind it."""

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        CLAIMED = "claimed", _("Claimed")
        DECIDED = "decided", _("Decided")
        CANCELLED = "cancelled", _("Cancelled")

    task = models.OneToOneField("viewflow.Task", models.PROTECT, related_name="human")
    process = models.ForeignKey(ProcessInfo, models.RESTRICT, related_name="tasks")
    stage = models.PositiveSmallIntegerField(_("stage"), default=0)
    title = models.CharField(_("title"), max_length=200)
    actions = models.JSONField(_("actions"))
    form = models.JSONField(_("form"), default=dict)
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.OPEN)
    claimed_by = models.ForeignKey(
        USER, models.SET_NULL, null=True, related_name="+", verbose_name=_("claimed by")
    )
    due_at = models.DateTimeField(_("due"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)
    outcome = models.CharField(_("outcome"), max_length=80, blank=True)

    objects = HumanTaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        constraints = (
            models.CheckConstraint(
                name="task_open_has_no_holder",
                condition=~Q(status="open") | Q(claimed_by=None),
            ),
        )
        indexes = (
            models.Index(fields=("organization", "status", "due_at"), name="bpm_task_inbox"),
            models.Index(
                fields=("due_at",),
                name="bpm_task_due",
                condition=Q(status__in=("open", "claimed")),
            ),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def is_closed(self) -> bool:
        return self.status in (self.Status.DECIDED, self.Status.CANCELLED)

    @property
    def kind(self) -> str:
        return self.process.kind

    @property
    def subject_id(self) -> str:
        return self.process.subject_id

    @property
    def trace_id(self) -> str:
        return self.process.trace_id

    @property
    def idempotency_key(self) -> str:
        return self.process.idempotency_key

    @property
    def outcome_title(self) -> str:
        return self.title_of(self.outcome)

    def title_of(self, action_id: str) -> str:
        """The label of one of the task's actions."""
        titles = {action["id"]: action["title"] for action in self.actions}
        return titles.get(action_id, action_id)


class Candidate(models.Model):
    """A principal that may claim and decide a task: `role:<role>` or `user:<uuid>`."""

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(HumanTask, models.CASCADE, related_name="candidates")
    principal = models.CharField(_("principal"), max_length=80)

    class Meta:
        verbose_name = _("candidate")
        verbose_name_plural = _("candidates")
        constraints = (
            models.UniqueConstraint(name="candidate_once", fields=("task", "principal")),
        )
        indexes = (models.Index(fields=("principal", "task"), name="bpm_candidate_principal"),)

    def __str__(self) -> str:
        return self.principal


class OfTaskQuerySet(VisibleQuerySet):
    """Decisions and comments, which are seen with their task."""

    place = Place("task.view", project="task__process__project", optional=True)

    def visible_to(self, actor: Actor, verb: str = "") -> Self:
        return self.filter(task__in=HumanTask.objects.visible_to(actor, verb))


class Decision(TenantModel):
    """What one person chose, bound to the state of the subject they were shown. Insert-only."""

    task = models.ForeignKey(HumanTask, models.RESTRICT, related_name="decisions")
    actor = models.ForeignKey(USER, models.PROTECT, related_name="+", verbose_name=_("decided by"))
    action_id = models.CharField(_("action"), max_length=80)
    comment = models.TextField(_("comment"), blank=True)
    data = models.JSONField(_("answers"), default=dict)
    snapshot_sha256 = models.CharField(_("snapshot digest"), max_length=64)

    objects = OfTaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        constraints = (
            models.UniqueConstraint(name="decision_once_per_person", fields=("task", "actor")),
        )

    def __str__(self) -> str:
        return f"{self.action_id}: {self.task}"

    @property
    def action_title(self) -> str:
        return self.task.title_of(self.action_id)


class Comment(TenantModel):
    """Something said about a task, beside its decisions."""

    task = models.ForeignKey(HumanTask, models.CASCADE, related_name="comments")
    author = models.ForeignKey(USER, models.PROTECT, related_name="+", verbose_name=_("written by"))
    text = models.TextField(_("text"))

    objects = OfTaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")

    def __str__(self) -> str:
        return self.text[:60]
