"""In which project something new belongs."""

from __future__ import annotations

from uuid import UUID

from core.errors import NotFound
from orgs.access import Actor
from orgs.errors import ProjectArchived
from orgs.models import Project


def default_project_id(organization_id: UUID) -> UUID:
    """Every organization has exactly one default project."""
    found: UUID = (
        Project.objects.of(organization_id).values_list("pk", flat=True).get(is_default=True)
    )
    return found


def project_of(actor: Actor, wanted: UUID | None = None) -> UUID:
    """The project that what `actor` makes belongs to: a key's own, the one named, the default.

    Raises NotFound for another organization's project or one that is not the key's, and
    ProjectArchived.
    """
    if actor.project_id is not None and wanted not in {None, actor.project_id}:
        raise NotFound("There is no such project.")
    wanted = actor.project_id or wanted
    if wanted is None:
        return default_project_id(actor.organization_id)
    project = Project.objects.of(actor.organization_id).filter(pk=wanted).first()
    if project is None:
        raise NotFound("There is no such project.")
    refuse_archived(project)
    return wanted


def refuse_archived(project: Project) -> None:
    if project.archived_at is not None:
        raise ProjectArchived("This project is archived.", project=str(project.pk))
