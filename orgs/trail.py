"""Which audit entries an actor sees. It stands here because `audit` lies below permissions."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, Q

from audit.models import Entry, EntryQuerySet
from core.errors import PermissionRefused
from orgs.access import Actor, holds
from orgs.actor import opens_every_project
from orgs.models import Project

_OF_THE_WHOLE = ("accounts.", "audit.", "billing.", "llm.", "orgs.")
_OF_PROJECTS = ("orgs.grant.", "orgs.project.", "orgs.key.")


def entries_visible_to(actor: Actor) -> EntryQuerySet:
    """The organization's entries for who may read the trail.

    An entry does not say in which project its target lies. So whoever is kept out of a project
    reads what concerns the organization as a whole, and nothing of the rooms that have projects.
    """
    entries = Entry.objects.of(actor.organization_id)
    if not holds(actor, "audit.view"):
        return entries.none()
    if _of_all_projects(actor):
        return entries
    of_the_whole = _starting(_OF_THE_WHOLE) & ~_starting(_OF_PROJECTS)
    return entries.filter(of_the_whole | ~Exists(_closed_projects(actor)))


def sees_whole_trail(actor: Actor) -> bool:
    """Whether no project keeps the actor out: then counts and exports tell them nothing new."""
    if not holds(actor, "audit.view"):
        return False
    return _of_all_projects(actor) or not _closed_projects(actor).exists()


def require_whole_trail(actor: Actor) -> None:
    """Raises PermissionRefused: figures cannot be narrowed to some of the projects."""
    if not sees_whole_trail(actor):
        raise PermissionRefused(
            "Some projects are closed to you, so the whole trail is, too.", verb="audit.view"
        )


def _of_all_projects(actor: Actor) -> bool:
    """To a key the trail is the organization's as a whole, like money.

    Programs that keep trails need them whole, and making such a key takes the scope oneself.
    """
    return actor.scopes is not None or opens_every_project(actor)


def _closed_projects(actor: Actor) -> Any:
    everything = Project.objects.of(actor.organization_id)
    return everything.exclude(pk__in=Project.objects.visible_to(actor).values("pk"))


def _starting(prefixes: tuple[str, ...]) -> Q:
    return reduce(or_, (Q(action__startswith=prefix) for prefix in prefixes))
