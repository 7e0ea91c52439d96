"""Which rows an actor sees: one rule for every model, written as a query without a look before.

A model says where its rows stand (`Place`); everything follows from that: lists, single look-ups
(`orgs.access.can` asks the same query for one row), counts. Grants are read by subqueries, so a
page costs the same number of queries however many rows or grants there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self
from uuid import UUID

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, Q, QuerySet, Subquery
from django.db.models.sql.compiler import SQLCompiler

from core.models import TenantQuerySet
from orgs.actor import holds, opens_every_project
from orgs.permissions import ASKED_IN_RESTRICTED, GRANTED_BY, granting

if TYPE_CHECKING:
    from orgs.actor import Actor


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model's rows stand, as look-ups that start at the row.

    `verb` is what seeing one asks for. `project` leads to the id of its project ("" for what
    belongs to the organization as a whole), `shared` to the id of the shareable row it is or
    belongs to. Without a project, a row of an `optional` one is the organization's.
    """

    verb: str
    project: str = ""
    shared: str = ""
    optional: bool = False


def visible(rows: Any, actor: Actor, place: Place, verb: str = "") -> Any:
    """Those of `rows`, which are the organization's, to which the actor may do `verb`."""
    verb = verb or place.verb
    held = holds(actor, verb)
    if not place.project:
        return rows if held else rows.none()
    if actor.scopes is not None:  # a key: its project alone, and never by grants
        return rows.filter(_of_key(actor, place)) if held else rows.none()
    if held and opens_every_project(actor):
        return rows
    if held:
        return rows.filter(open_to_role(rows.model, actor, place, verb))
    return _granted(rows, actor, place, verb)


def _of_key(actor: Actor, place: Place) -> Q:
    found = Q(**{place.project: actor.project_id})
    return found | Q(**{f"{place.project}__isnull": True}) if place.optional else found


def open_to_role(model: type[models.Model], actor: Actor, place: Place, verb: str) -> Q:
    """Roles reach what no project restricts; inside a restricted one a grant is asked for."""
    open_projects = _projects().of(actor.organization_id)
    open_projects = open_projects.filter(
        Q(restricted=False) | Q(pk__in=_granted_projects(actor, verb))
    )
    found = Q(**{f"{place.project}__in": open_projects.values("pk")})
    if place.optional:
        found |= Q(**{f"{place.project}__isnull": True})
    if place.shared and verb in GRANTED_BY:
        found |= Q(**{f"{place.shared}__in": _granted_rows(model, actor, place, verb)})
    return found


def _granted(rows: Any, actor: Actor, place: Place, verb: str) -> Any:
    """What was granted alone.

    One look-up of ids, not an OR: the database starts from the grants, not from all rows.
    """
    if verb not in GRANTED_BY or actor.user_id is None or actor.support_id is not None:
        return rows.none()
    if not place.shared:
        return rows.filter(**{f"{place.project}__in": _granted_projects(actor, verb)})
    shared = _shared_model(rows.model, place.shared)
    inside = shared._default_manager.filter(project__in=_granted_projects(actor, verb))
    ids = _granted_rows(rows.model, actor, place, verb).union(inside.values("pk"), all=True)
    return rows.filter(_AmongGranted(F(place.shared), Subquery(ids)))


class _AmongGranted(Func):
    """`id IN (subquery)`. PostgreSQL is made to gather the ids first.

    It cannot guess how few they are, so left to itself it would walk all rows from the newest on,
    hoping to fill the page soon: for a guest of three workflows, through everybody else's.
    """

    template = "%(expressions)s"
    arg_joiner = " IN "
    output_field = models.BooleanField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any
    ) -> tuple[str, Any]:
        return self.as_sql(
            compiler, connection, template="%(expressions)s)", arg_joiner=" = ANY(ARRAY", **more
        )


def _granted_projects(actor: Actor, verb: str) -> Any:
    """Of this organization alone: where there are none, the database need not look into any."""
    granted = _granted_ids(_projects().model, actor, verb)
    return _projects().of(actor.organization_id).filter(pk__in=granted).values("pk")


def _granted_rows(
    model: type[models.Model], actor: Actor, place: Place, verb: str
) -> QuerySet[Any]:
    return _granted_ids(_shared_model(model, place.shared), actor, verb)


def _granted_ids(model: type[models.Model], actor: Actor, verb: str) -> QuerySet[Any]:
    """Ids of rows of `model` on which the person, or a team of theirs, holds what `verb` needs."""
    right = GRANTED_BY.get(verb) or ASKED_IN_RESTRICTED.get(verb)
    users, teams = grant_models(model)
    if right is None or actor.user_id is None:
        return users.objects.none().values("content_object")
    names = [f"{strong}_{model._meta.model_name}" for strong in sorted(granting(right))]
    granted = {"permission__codename__in": names}
    mine = users.objects.filter(user_id=actor.user_id, **granted).order_by()
    ours = teams.objects.filter(group__in=team_groups(actor.organization_id, actor.user_id))
    ours = ours.filter(**granted).order_by()
    return mine.values("content_object").union(ours.values("content_object"), all=True)


def team_groups(organization_id: UUID, user_id: UUID) -> QuerySet[Any]:
    """The groups of the teams a member is in. Membership says so, not Django's own group rows."""
    teams = apps.get_model("orgs", "Team")._default_manager.filter(organization_id=organization_id)
    return teams.filter(members__member__user_id=user_id).values("group_id")


def _projects() -> Any:
    return apps.get_model("orgs", "Project")._default_manager.all()


def _shared_model(model: type[models.Model], path: str) -> type[models.Model]:
    """The model that `path` leads to the id of: `pk` is `model` itself, `run__workflow` further."""
    names = [] if path == "pk" else path.removesuffix("_id").split("__")
    for name in names:
        related: Any = model._meta.get_field(name).related_model
        model = related
    return model


def grant_models(model: type[models.Model]) -> tuple[type[Any], type[Any]]:
    """The two guardian models of a shareable one: for people, for teams."""
    found = {each.base_kind: each for each in _grants_of(model)}
    return found["user"], found["team"]


def _grants_of(model: type[models.Model]) -> Iterator[Any]:
    for each in model._meta.related_objects:
        if hasattr(each.related_model, "base_kind"):
            yield each.related_model


def shareable(model: type[models.Model]) -> bool:
    return any(_grants_of(model))


class VisibleQuerySet(TenantQuerySet):
    """Rows of one organization that know who sees them. Subclasses say their `place`."""

    place: ClassVar[Place]

    def visible_to(self, actor: Actor, verb: str = "") -> Self:
        """What the actor may see; with `verb`, what they may do that to."""
        found: Self = visible(self.of(actor.organization_id), actor, self.place, verb)
        return found
