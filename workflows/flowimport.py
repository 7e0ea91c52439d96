"""Storing a flow file for an organization, from the command line."""

from pathlib import Path

from core.errors import NotFound
from orgs.access import system_actor
from orgs.models import Organization
from workflows.actions import import_flow
from workflows.models import WorkflowVersion


def import_file(path: Path, *, slug: str, name: str) -> WorkflowVersion:
    """Raises NotFound for an unknown organization, and what `import_flow` raises."""
    organization = Organization.objects.filter(slug=slug).first()
    if organization is None:
        raise NotFound(f"There is no organization {slug}.")
    actor = system_actor(organization.pk)
    return import_flow(actor=actor, raw=path.read_bytes(), filename=path.name, name=name)
