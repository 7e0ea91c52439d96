"""What is in a project, by kind: rooms above register how theirs is counted."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.utils.timezone import now

from orgs.models import ApiKey, Project

Count = Callable[[UUID], int]
_kinds: dict[str, Count] = {}


def register_contents(kind: str, count: Count) -> None:
    """`count(project_id)`: how many things of `kind` are in a project. Called in `apps.ready`."""
    _kinds[kind] = count


def contents_of(project: Project) -> dict[str, int]:
    """`{kind: n}` of what keeps the project from being deleted; empty when nothing does."""
    counted = {kind: count(project.pk) for kind, count in sorted(_kinds.items())}
    return {kind: n for kind, n in counted.items() if n}


def count_live_keys(project_id: UUID) -> int:
    return ApiKey.objects.live(now()).filter(project_id=project_id).count()
