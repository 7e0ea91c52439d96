"""In which project something new belongs."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from core.errors import NotFound
from orgs.access import Actor, require
from orgs.errors import ProjectArchived
from orgs.models import Project


def default_project_id(organization_id: UUID) -> UUID:
    """Every organization has exactly one default project."""
    found: UUID = (
        Project.objects.of(organization_id).values_list("pk", flat=True).get(is_default=True)
    )
    return found


def project_of(actor: Actor, wanted: UUID | None = None, verb: str = "") -> UUID:
    """The project that what `actor` makes belongs to: a key's own, the one named, the default.

    `verb` is what the actor needs in that project. Raises NotFound for another organization's
    project, one that is not the key's or that the actor does not see; PermissionRefused for one in
    which they may not do this; ProjectArchived.
    """
    if actor.project_id is not None:
        if wanted not in {None, actor.project_id}:
            raise NotFound("There is no such project.")
        wanted = actor.project_id
    project_id = wanted or default_project_id(actor.organization_id)
    project = Project.objects.of(actor.organization_id).filter(pk=project_id)
    found = project.first()
    if found is None or (wanted and not _seen(actor, project)):
        raise NotFound("There is no such project.")
    if verb:
        require(actor, verb, found)
    refuse_archived(found)
    return project_id


def _seen(actor: Actor, project: object) -> bool:
    """Keys and the system work in a project without a verb to look at it."""
    if actor.user_id is None:
        return True
    return bool(project.visible_to(actor).exists())  # type: ignore[attr-defined]  # ProjectQuerySet


def refuse_archived(project: Project) -> None:
    if project.archived_at is not None:
        raise ProjectArchived("This project is archived.", project=str(project.pk))


def open_projects(actor: Actor, verb: str) -> QuerySet[Project]:
    """Projects that are not archived and in which the actor may do `verb`, the default first.

    By role or by a grant. A key in a project sees all that is in it, so `key.create` in a
    restricted one is for those who administer it.
    """
    rows: QuerySet[Project] = Project.objects.visible_to(actor, verb)
    return rows.filter(archived_at=None).order_by("-is_default", "name")
