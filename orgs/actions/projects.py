"""Projects: made, changed, archived, deleted when nothing is in them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.timezone import now

from core.errors import InvalidInput, NotFound
from orgs.access import Actor, require
from orgs.actions.keys import end_project_keys
from orgs.actions.rows import note, saved
from orgs.contents import contents_of
from orgs.errors import DefaultProject, NameTaken, ProjectNotEmpty
from orgs.models import ApiKey, Project

DEFAULT_NAME = "General"


def create_default_project(organization_id: UUID, user_id: UUID | None = None) -> Project:
    """The project every organization starts with; part of founding, so no entry of its own."""
    project: Project = Project.objects.create(
        organization_id=organization_id,
        name=DEFAULT_NAME,
        is_default=True,
        created_by_id=user_id,
    )
    return project


@transaction.atomic
def create_project(
    *, actor: Actor, name: str, description: str = "", restricted: bool = False
) -> Project:
    require(actor, "project.manage")
    project = Project(
        organization_id=actor.organization_id,
        name=_named(name),
        description=description.strip()[:300],
        restricted=restricted,
        created_by_id=actor.user_id,
    )
    _save(project, new=True)
    _note("orgs.project.created", actor, project, restricted=restricted)
    return project


@transaction.atomic
def update_project(
    *,
    actor: Actor,
    project_id: UUID,
    name: str | None = None,
    description: str | None = None,
    restricted: bool | None = None,
) -> Project:
    project = _project_of(actor, project_id)
    before = _said(project)
    if name is not None:
        project.name = _named(name)
    if description is not None:
        project.description = description.strip()[:300]
    if restricted is not None:
        project.restricted = restricted
    if (after := _said(project)) != before:
        _save(project)
        _note("orgs.project.changed", actor, project, before=before, after=after)
    return project


def _said(project: Project) -> dict[str, object]:
    return {name: getattr(project, name) for name in ("name", "description", "restricted")}


@transaction.atomic
def archive_project(*, actor: Actor, project_id: UUID) -> Project:
    """Nothing new comes into it any more and its keys end; runs under way go on to their end.

    Repeating it changes nothing. Raises DefaultProject.
    """
    project = _project_of(actor, project_id)
    if project.is_default:
        raise DefaultProject("The default project cannot be archived.")
    if project.archived_at is None:
        project.archived_at = now()
        project.save(update_fields=["archived_at", "updated_at"])
        _note("orgs.project.archived", actor, project)
        end_project_keys(actor, project.pk)
    return project


@transaction.atomic
def unarchive_project(*, actor: Actor, project_id: UUID) -> Project:
    """Keys that ended with the archiving stay ended. Repeating it changes nothing."""
    project = _project_of(actor, project_id)
    if project.archived_at is not None:
        project.archived_at = None
        project.save(update_fields=["archived_at", "updated_at"])
        _note("orgs.project.unarchived", actor, project)
    return project


@transaction.atomic
def delete_project(*, actor: Actor, project_id: UUID) -> None:
    """Raises ProjectNotEmpty, with what is in it by kind, and DefaultProject."""
    project = _project_of(actor, project_id)
    if project.is_default:
        raise DefaultProject("The default project cannot be deleted.")
    if holds := contents_of(project):
        raise ProjectNotEmpty("There is something in this project; archive it.", holds=holds)
    _note("orgs.project.deleted", actor, project)
    ApiKey.objects.filter(
        project=project
    ).delete()  # revoked or expired ones; live ones are content
    project.delete()


def _project_of(actor: Actor, project_id: UUID) -> Project:
    """Locked, and the actor may manage it: by role or by a right on it."""
    if not Project.objects.visible_to(actor).filter(pk=project_id).exists():
        raise NotFound("There is no such project.")
    project: Project = Project.objects.select_for_update().get(pk=project_id)
    require(actor, "project.manage", project)
    return project


def _named(name: str) -> str:
    if not name.strip():
        raise InvalidInput("A project needs a name.")
    return name.strip()[:80]


def _save(project: Project, *, new: bool = False) -> None:
    if not saved(project, new=new):
        raise NameTaken("There is a project of this name already.", name=project.name)


def _note(event: str, actor: Actor, project: Project, **told: Any) -> None:
    note(event, actor, "project", project, project_id=project.pk, **told)
