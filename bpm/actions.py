"""Every change to a task. Each function is one transaction and one audit entry.

Who changes a process holds viewflow's lock on it (the process row, FOR UPDATE on PostgreSQL; on
SQLite the whole transaction is exclusive), so of two people at once the second sees what the
first has done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _
from viewflow.workflow.status import PROCESS

from audit.actions import record
from bpm.candidates import clean_principals, principals_of
from bpm.errors import TaskCancelled, TaskClaimed, TaskDecided, TaskNotClaimed
from bpm.flows import ApprovalFlow
from bpm.forms import clean_actions, clean_answers, clean_form
from bpm.models import (
    Comment,
    Decision,
    Definition,
    DefinitionVersion,
    HumanTask,
    ProcessInfo,
    digest_of,
)
from bpm.subjects import subject_of
from core.errors import InvalidInput, NotFound, PermissionRefused
from core.jsonsafe import clean, is_storable
from core.trace import current_trace_id
from orgs.access import Actor, can, require, system_actor

MAX_COMMENT = 10_000
SINGLE_DECISION = {"stages": [{"id": "decision", "mode": "any"}]}


def single_decision_version() -> DefinitionVersion:
    """The built-in approval: one stage, the first decision is the outcome."""
    definition, _made = Definition.objects.get_or_create(
        organization=None, key="single-decision", defaults={"title": "Single decision"}
    )
    version, _made = DefinitionVersion.objects.get_or_create(
        definition=definition,
        number=1,
        defaults={"spec": SINGLE_DECISION, "sha256": digest_of(SINGLE_DECISION)},
    )
    return version


def open_task(  # noqa: PLR0913 - the request of an approval, each part named
    *,
    organization_id: UUID,
    kind: str,
    subject_id: str,
    title: str,
    idempotency_key: str,
    candidates: Sequence[str],
    actions: Sequence[Mapping[str, Any]],
    form: Mapping[str, Any] | None = None,
    snapshot: Mapping[str, Any] | None = None,
    requester_id: UUID | None = None,
    project_id: UUID | None = None,
    due_at: datetime | None = None,
    trace_id: str | None = None,
) -> HumanTask:
    """Ask people to decide about a subject; repeating a key returns its task, whatever its state.

    With `project_id` only who gets at that project sees it, beside those who are asked.
    Texts come from flows: what a database cannot keep is replaced in title, form and snapshot.
    Raises InvalidInput for an unknown kind, malformed candidates, actions or form.
    """
    subject_of(kind)
    shown = clean(dict(snapshot or {}))
    request = _request_of(candidates, actions, form, due_at)
    if known := _task_of(organization_id, idempotency_key):
        return known
    info = ProcessInfo(
        organization_id=organization_id,
        requester_id=requester_id,
        project_id=project_id,
        kind=kind,
        subject_id=subject_id,
        title=" ".join(clean(title).split())[:200],
        snapshot=shown,
        snapshot_sha256=digest_of(shown),
        request=request,
        trace_id=trace_id or current_trace_id(),
        idempotency_key=idempotency_key,
    )
    return _start_once(info)


def _request_of(
    candidates: Sequence[str],
    actions: Sequence[Mapping[str, Any]],
    form: Mapping[str, Any] | None,
    due_at: datetime | None,
) -> dict[str, Any]:
    """What each stage shows and whom it asks, as it is stored with the process."""
    return {
        "candidates": clean_principals(candidates),
        "actions": clean_actions(clean(actions)),
        "form": clean_form(clean(form)),
        "due_at": due_at.isoformat() if due_at else None,
    }


def _start_once(info: ProcessInfo) -> HumanTask:
    try:
        return _start(info)
    except IntegrityError:
        if known := _task_of(info.organization_id, info.idempotency_key):
            return known  # somebody asked with the same key at the same time and was faster
        raise


def _task_of(organization_id: UUID, idempotency_key: str) -> HumanTask | None:
    tasks = HumanTask.objects.of(organization_id).filter(process__idempotency_key=idempotency_key)
    return tasks.select_related("process").order_by("-pk").first()


@transaction.atomic
def _start(info: ProcessInfo) -> HumanTask:
    info.version = single_decision_version()
    ApprovalFlow.n_begin.run(info=info)
    task = info.tasks.get()
    _log("bpm.task.opened", system_actor(info.organization_id), task, requester=info.requester_id)
    return task


@transaction.atomic
def claim_task(*, actor: Actor, task_id: UUID | str) -> HumanTask:
    """Take a task in hand, so that nobody else decides it; claiming it again changes nothing."""
    with _holding(actor, task_id) as (task, _activation):
        _require_deciding(actor, task)
        if task.status != HumanTask.Status.CLAIMED:
            _set_holder(task, actor.user_id)
            _log("bpm.task.claimed", actor, task)
        return task


@transaction.atomic
def release_task(*, actor: Actor, task_id: UUID | str) -> HumanTask:
    """Give a claimed task back to its candidates. Raises TaskNotClaimed when nobody holds it.

    Who manages the organization may take it from whoever holds it: people leave.
    """
    with _holding(actor, task_id) as (task, _activation):
        if may_take_away(actor, task):
            _require_person(actor)
        else:
            _require_deciding(actor, task)
        if task.status != HumanTask.Status.CLAIMED:
            raise TaskNotClaimed(_("Nobody has claimed this task."), task=str(task.pk))
        _set_holder(task, None)
        _log("bpm.task.released", actor, task)
        return task


def may_take_away(actor: Actor, task: HumanTask) -> bool:
    """Whether the actor may end the claim of whoever holds the task."""
    return task.status == HumanTask.Status.CLAIMED and can(actor, "org.manage", task)


def _set_holder(task: HumanTask, user_id: UUID | None) -> None:
    task.claimed_by_id = user_id
    task.status = HumanTask.Status.CLAIMED if user_id else HumanTask.Status.OPEN
    task.save(update_fields=["claimed_by", "status", "updated_at"])


@transaction.atomic
def decide_task(
    *,
    actor: Actor,
    task_id: UUID | str,
    action_id: str,
    comment: str = "",
    data: Mapping[str, Any] | None = None,
) -> Decision:
    """Choose one of the task's actions; the subject's handler runs in the same transaction.

    Raises InvalidInput (unknown action, form does not fit), PermissionRefused (no candidate),
    TaskClaimed, TaskDecided, TaskCancelled; and whatever the handler raises. Nothing changes then.
    """
    with _holding(actor, task_id) as (task, activation):
        user_id = _require_deciding(actor, task)
        _require_action(task, action_id)
        decision = Decision.objects.create(
            organization_id=task.organization_id,
            task=task,
            actor_id=user_id,
            action_id=action_id,
            comment=_clean_text(comment),
            data=clean_answers(task.form, data or {}),
            snapshot_sha256=task.process.snapshot_sha256,
        )
        _close(task, action_id)
        _log("bpm.task.decided", actor, task, outcome=action_id, decision=decision.pk)
        activation.begin()
        activation.execute()
        return decision


def _close(task: HumanTask, action_id: str) -> None:
    task.status, task.outcome, task.closed_at = HumanTask.Status.DECIDED, action_id, now()
    task.save(update_fields=["status", "outcome", "closed_at", "updated_at"])


@transaction.atomic
def comment_task(*, actor: Actor, task_id: UUID | str, text: str) -> Comment:
    """Say something about a task one may see, open or closed."""
    task = _find(actor, task_id)
    author_id = _require_person(actor)
    if not text.strip():
        raise InvalidInput(_("Write a comment first."))
    comment = Comment.objects.create(
        organization_id=task.organization_id, task=task, author_id=author_id, text=_clean_text(text)
    )
    _log("bpm.task.commented", actor, task, comment=comment.pk)
    return comment


@transaction.atomic
def cancel_tasks(
    *,
    kind: str,
    subject_id: str,
    reason: str,
    organization_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> int:
    """Withdraw the open tasks of a subject (of one key, when given); returns how many.

    Decided ones stay. The kind's `cancelled` handler runs for each, in this transaction.
    """
    found = ProcessInfo.objects.filter(kind=kind, subject_id=subject_id, finished_at=None)
    if organization_id:
        found = found.of(organization_id)
    if idempotency_key:
        found = found.filter(idempotency_key=idempotency_key)
    return sum(_cancel(info, reason) for info in found.select_related("process").order_by("pk"))


def _cancel(info: ProcessInfo, reason: str) -> bool:
    flow = info.process.flow_class.instance
    with flow.lock(info.process_id):
        info.process.refresh_from_db()
        if info.process.status != PROCESS.NEW:
            return False  # a decision was faster
        waiting = list(info.tasks.filter(closed_at=None).values_list("pk", flat=True))
        flow.cancel(info.process)
        info.outcome, info.finished_at = "cancelled", now()
        info.save(update_fields=["outcome", "finished_at", "updated_at"])
        cancelled = subject_of(info.kind).cancelled
        for task in HumanTask.objects.filter(pk__in=waiting).select_related("process"):
            _log("bpm.task.cancelled", system_actor(info.organization_id), task, reason=reason)
            if cancelled:
                cancelled(task)
    return True


def _find(actor: Actor, task_id: UUID | str) -> HumanTask:
    """A task of the actor's organization; PermissionRefused without `task.view`."""
    require(actor, "task.view")
    task = HumanTask.objects.visible_to(actor).select_related("task").filter(pk=task_id).first()
    if task is None:
        raise NotFound(_("There is no such task."))
    return task


@contextmanager
def _holding(actor: Actor, task_id: UUID | str) -> Iterator[tuple[HumanTask, Any]]:
    """Lock the task's process and read the task as it is now, with viewflow's activation."""
    found = _find(actor, task_id)
    with found.task.activation() as activation:
        yield HumanTask.objects.select_related("process").get(pk=found.pk), activation


def _require_deciding(actor: Actor, task: HumanTask) -> UUID:
    """The deciding user's id; the refusals in the order a person would expect them."""
    require(actor, "task.decide", task)
    user_id = _require_person(actor)
    if not task.candidates.filter(principal__in=principals_of(actor)).exists():
        raise PermissionRefused(_("You are not a candidate for this task."), verb="task.decide")
    if task.status == HumanTask.Status.DECIDED:
        raise TaskDecided(_("This task has been decided."), outcome=task.outcome)
    if task.status == HumanTask.Status.CANCELLED:
        raise TaskCancelled(_("This task has been cancelled."), task=str(task.pk))
    if task.claimed_by_id not in (None, user_id):
        raise TaskClaimed(_("Somebody else has claimed this task."), task=str(task.pk))
    return user_id


def _require_person(actor: Actor) -> UUID:
    """Keys and the platform itself neither decide nor comment: a name must stand behind it."""
    if actor.user_id is None or actor.api_key_id is not None:
        raise PermissionRefused(_("Only a person can do this."), verb="task.decide")
    return actor.user_id


def _require_action(task: HumanTask, action_id: str) -> None:
    known = [action["id"] for action in task.actions]
    if action_id not in known:
        raise InvalidInput(
            _("The task has no such action."), action=str(action_id)[:80], actions=known
        )


def _clean_text(text: str) -> str:
    if len(text) > MAX_COMMENT:
        raise InvalidInput(_("A comment has at most 10,000 characters."), length=len(text))
    if not is_storable(text):
        raise InvalidInput(_("The text contains characters that cannot be kept."))
    return text.strip()


def _log(event: str, actor: Actor, task: HumanTask, **data: object) -> None:
    record(
        event,
        actor=actor,
        target_type="bpm.task",
        target_id=task.pk,
        summary=task.title,
        data={name: str(value) for name, value in data.items() if value is not None},
        trace_id=task.trace_id,
        project_id=task.process.project_id,
    )
