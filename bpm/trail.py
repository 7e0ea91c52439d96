"""What approvals have under a trace: tasks, decisions, comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from bpm.models import Comment, Decision, HumanTask
from orgs.access import Actor
from orgs.trails import Clue, Item, Scope, Source, Wanted, register


def contribute() -> None:
    register(
        Source(
            kind="task", label=_("Task"), icon="approval", order=70, verb="task.view",
            at="created_at", rows=_tasks, show=_show_task, find=_find_task,
        )
    )  # fmt: skip
    register(
        Source(
            kind="comment", label=_("Comment"), icon="chat", order=80, verb="task.view",
            at="created_at", rows=_comments, show=_show_comment, find=_find_comment,
        )
    )  # fmt: skip
    register(
        Source(
            kind="decision", label=_("Decision"), icon="how_to_reg", order=90, verb="task.view",
            at="created_at", rows=_decisions, show=_show_decision, find=_find_decision,
        )
    )  # fmt: skip


def _seen(actor: Actor | None) -> QuerySet[HumanTask]:
    return HumanTask.objects.all() if actor is None else HumanTask.objects.visible_to(actor)


def _tasks(scope: Scope) -> QuerySet[HumanTask]:
    rows = _seen(scope.actor).filter(process__trace_id__in=scope.traces)
    return rows.exclude(_of_hidden(scope)).select_related("process")


def _of_hidden(scope: Scope) -> Q:
    """Tasks about runs that the reader must not learn of: their subject begins with the run."""
    about = Q(pk__in=())
    for run in scope.hidden:
        about |= Q(process__subject_id__startswith=f"{run}:")
    return about


def _of_tasks(scope: Scope, model: Any) -> QuerySet[Any]:
    found: QuerySet[Any] = model.objects.filter(task__in=_tasks(scope).values("pk"))
    return found.select_related("task__process")


def _decisions(scope: Scope) -> QuerySet[Decision]:
    return _of_tasks(scope, Decision)


def _comments(scope: Scope) -> QuerySet[Comment]:
    return _of_tasks(scope, Comment)


def _show_task(row: HumanTask) -> Item:
    ended = row.closed_at
    return Item(
        kind="task",
        at=row.created_at,
        id=str(row.pk),
        title=row.title,
        trace_id=row.process.trace_id,
        state=row.status,
        ms=round((ended - row.created_at).total_seconds() * 1000) if ended else None,
        url=reverse("inbox_task", args=[row.pk]),
        row=("bpm_humantask", row.pk),
        organization_id=row.organization_id,
        user_id=row.process.requester_id,
        data={"outcome": row.outcome, "subject": row.process.subject_id, "stage": row.stage},
    )


def _show_decision(row: Decision) -> Item:
    return Item(
        kind="decision",
        at=row.created_at,
        id=str(row.pk),
        title=row.task.title,
        trace_id=row.task.process.trace_id,
        state=row.action_id,
        url=reverse("inbox_task", args=[row.task_id]),
        row=("bpm_decision", row.pk),
        organization_id=row.organization_id,
        user_id=row.actor_id,
        data={"comment": row.comment, "task": str(row.task_id)},
    )


def _show_comment(row: Comment) -> Item:
    return Item(
        kind="comment",
        at=row.created_at,
        id=str(row.pk),
        title=row.task.title,
        trace_id=row.task.process.trace_id,
        url=reverse("inbox_task", args=[row.task_id]),
        row=("bpm_comment", row.pk),
        organization_id=row.organization_id,
        user_id=row.author_id,
        data={"text": row.text, "task": str(row.task_id)},
    )


def _find_task(actor: Actor | None, wanted: Wanted) -> Iterator[Clue]:
    if wanted.uuid is not None:
        rows = _seen(actor).select_related("process")
        named = list(rows.filter(pk=wanted.uuid)) or rows.filter(process_id=wanted.uuid)[:1]
        yield from (_clue("task", row, row) for row in named)


def _find_decision(actor: Actor | None, wanted: Wanted) -> Iterator[Clue]:
    yield from _find_of_task(Decision, "decision", actor, wanted)


def _find_comment(actor: Actor | None, wanted: Wanted) -> Iterator[Clue]:
    yield from _find_of_task(Comment, "comment", actor, wanted)


def _find_of_task(model: Any, kind: str, actor: Actor | None, wanted: Wanted) -> Iterator[Clue]:
    if wanted.uuid is not None:
        rows = model.objects.filter(pk=wanted.uuid, task__in=_seen(actor).values("pk"))
        yield from (_clue(kind, row, row.task) for row in rows.select_related("task__process"))


def _clue(kind: str, row: Any, task: HumanTask) -> Clue:
    """The subject of a task of a run begins with the run's id."""
    run = task.process.subject_id.partition(":")[0]
    return Clue(task.process.trace_id, kind, task.title, row.created_at, row.organization_id, run)
