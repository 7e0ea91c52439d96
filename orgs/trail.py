"""Which audit entries an actor sees. It stands here because `audit` lies below permissions."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, Q

from audit.models import Entry, EntryQuerySet
from core.errors import PermissionRefused
from orgs.access import Actor, holds
from orgs.models import Project

_OF_THE_WHOLE = ("accounts.", "audit.", "billing.", "llm.", "orgs.")
_OF_PROJECTS = ("orgs.grant.", "orgs.project.", "orgs.key.")
"""What carries its project; what was written before entries did is hidden like the rest."""


def entries_visible_to(actor: Actor) -> EntryQuerySet:
    """The organization's entries for who may read the trail.

    A key reads what lies in its project. A person who is kept out of a project reads nothing of
    it: what lies in the open ones, and what concerns the organization as a whole.
    """
    entries = Entry.objects.of(actor.organization_id)
    if not holds(actor, "audit.view"):
        return entries.none()
    if holds(actor, "audit.view_all"):
        return entries
    if actor.scopes is not None:
        return entries.filter(project_id=actor.project_id)
    of_the_whole = Q(project_id=None) & _starting(_OF_THE_WHOLE) & ~_starting(_OF_PROJECTS)
    in_open_ones = Q(project_id__in=Project.objects.visible_to(actor).values("pk"))
    return entries.filter(of_the_whole | in_open_ones | ~Exists(_closed_projects(actor)))


def sees_whole_trail(actor: Actor) -> bool:
    """Whether nothing of it is closed: then counts and exports tell the actor nothing new."""
    if not holds(actor, "audit.view"):
        return False
    if holds(actor, "audit.view_all"):
        return True
    return actor.scopes is None and not _closed_projects(actor).exists()


def require_whole_trail(actor: Actor) -> None:
    """Raises PermissionRefused: figures cannot be narrowed to some of the projects."""
    if not sees_whole_trail(actor):
        raise PermissionRefused(
            "A part of the trail is closed to you, so what counts over all of it is, too.",
            verb="audit.view_all",
        )


def _closed_projects(actor: Actor) -> Any:
    everything = Project.objects.of(actor.organization_id)
    return everything.exclude(pk__in=Project.objects.visible_to(actor).values("pk"))


def _starting(prefixes: tuple[str, ...]) -> Q:
    return reduce(or_, (Q(action__startswith=prefix) for prefix in prefixes))
