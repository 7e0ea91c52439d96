"""Projects: made with their organization."""

from uuid import UUID

from orgs.models import Project

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
