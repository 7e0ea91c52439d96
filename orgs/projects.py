"""In which project something new belongs."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from core.errors import NotFound
from orgs.access import Actor, holds
from orgs.models import Project


def default_project_id(organization_id: UUID) -> UUID:
    """Every organization has exactly one default project."""
    found: UUID = (
        Project.objects.of(organization_id).values_list("pk", flat=True).get(is_default=True)
    )
    return found


def project_of(actor: Actor, wanted: UUID | None = None) -> UUID:
    """The project that what `actor` makes belongs to: a key's own, the one named, the default.

    Raises NotFound for an archived project, another organization's, or one that is not the key's.
    """
    if actor.project_id is not None:
        if wanted not in {None, actor.project_id}:
            raise NotFound("There is no such project.")
        return actor.project_id
    if wanted is None:
        return default_project_id(actor.organization_id)
    if not Project.objects.of(actor.organization_id).filter(pk=wanted, archived_at=None).exists():
        raise NotFound("There is no such project.")
    return wanted


def open_projects(actor: Actor) -> QuerySet[Project]:
    """Projects in which the actor may have keys: a key in one sees all that is in it.

    A restricted one is for those who manage keys.
    """
    rows: QuerySet[Project] = Project.objects.of(actor.organization_id)
    if actor.project_id is not None:
        rows = rows.filter(pk=actor.project_id)
    elif not holds(actor, "key.manage"):
        rows = rows.filter(restricted=False)
    return rows.order_by("-is_default", "name")
