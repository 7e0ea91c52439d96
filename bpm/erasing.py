"""What bpm erases of a closed organization, and hands out before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from viewflow.workflow.models import Process

from bpm.models import Comment, Decision, Definition, DefinitionVersion, HumanTask, ProcessInfo
from orgs.closing import erase_batch, plain_rows, register_erasure, register_source
from orgs.contents import register_contents


def erase_approvals(organization_id: UUID, limit: int) -> int:
    """Approvals with everything in them, viewflow's own rows last: ours protect them."""
    infos = ProcessInfo.objects.of(organization_id).order_by("pk")
    found = list(infos.values_list("pk", "process_id")[:limit])
    if not found:
        return _erase_definitions(organization_id, limit)
    ids = [pk for pk, _ in found]
    for model in (Decision, Comment):
        model.objects.filter(task__process__in=ids).delete()
    HumanTask.objects.filter(process__in=ids).delete()
    ProcessInfo.objects.filter(pk__in=ids).delete()
    Process.objects.filter(pk__in=[process for _, process in found]).delete()
    return len(found)


def _erase_definitions(organization_id: UUID, limit: int) -> int:
    versions = DefinitionVersion.objects.filter(definition__organization_id=organization_id)
    if taken := erase_batch(versions, limit):
        return taken
    return erase_batch(Definition.objects.filter(organization_id=organization_id), limit)


def task_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = HumanTask.objects.of(organization_id)
    names = ("id", "title", "status", "outcome", "due_at", "closed_at", "created_at", "form")
    asked = ("process_id", "process__kind", "process__subject_id", "process__snapshot")
    yield from plain_rows(rows, *names, *asked, "process__trace_id")


def decision_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Decision.objects.of(organization_id)
    names = ("id", "task_id", "actor_id", "action_id", "comment", "data", "created_at")
    yield from plain_rows(rows, *names, "snapshot_sha256")


def comment_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Comment.objects.of(organization_id)
    yield from plain_rows(rows, "id", "task_id", "author_id", "text", "created_at")


def count_approvals(project_id: UUID) -> int:
    return ProcessInfo.objects.filter(project_id=project_id).count()


def contribute() -> None:
    register_contents("approvals", count_approvals)
    register_erasure("approvals", 200, erase_approvals)
    register_source("tasks", task_rows)
    register_source("decisions", decision_rows)
    register_source("comments", comment_rows)
