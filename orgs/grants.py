"""Sharing one object with a person or a team. What a grant opens is said by `orgs.visibility`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models, transaction
from guardian.shortcuts import assign_perm, remove_perm

from audit.actions import record
from core.errors import InvalidInput, NotFound
from orgs.access import Actor, require
from orgs.models import Membership, Project, Team, TeamGrant, UserGrant
from orgs.permissions import GRANTED_BY, IMPLIES, RIGHTS

__all__ = ["Holder", "TeamGrant", "UserGrant", "forget_grants", "grant", "grants_on", "revoke"]


@dataclass(frozen=True, slots=True)
class Holder:
    """A person or a team and what was granted to them; `kind` is user or team."""

    kind: str
    id: UUID
    name: str
    email: str = ""
    rights: list[str] = field(default_factory=list)


def codename(model: type[models.Model], right: str) -> str:
    return f"{right}_{model._meta.model_name}"


@transaction.atomic
def grant(
    *,
    actor: Actor,
    obj: Any,
    right: str,
    verb: str,
    user_id: UUID | None = None,
    team_id: UUID | None = None,
) -> None:
    """Share `obj` with a member or a team of the same organization; may be repeated.

    `verb` is what sharing it takes. Raises PermissionRefused where the actor does not hold all that
    the right brings, InvalidInput for an unknown right or not exactly one holder, NotFound.
    """
    require(actor, verb, obj)
    holder = _holder(actor, right, user_id, team_id)
    for brought in _verbs_of(obj, right):
        require(actor, brought, obj)  # nobody gives more than they hold
    assign_perm(codename(type(obj), right), holder, obj)
    _note("orgs.grant.given", actor, obj, right, user_id, team_id)


@transaction.atomic
def revoke(
    *,
    actor: Actor,
    obj: Any,
    right: str,
    verb: str,
    user_id: UUID | None = None,
    team_id: UUID | None = None,
) -> None:
    """Take one right back; what another one brings stays."""
    require(actor, verb, obj)
    holder = _holder(actor, right, user_id, team_id)
    remove_perm(codename(type(obj), right), holder, obj)
    _note("orgs.grant.revoked", actor, obj, right, user_id, team_id)


def forget_grants(organization_id: UUID, user_id: UUID) -> None:
    """Everything that was shared with a person who leaves, so that coming back starts afresh."""
    for model in apps.get_models():
        if issubclass(model, UserGrant):
            theirs = model._default_manager.filter(user_id=user_id)
            theirs.filter(content_object__organization_id=organization_id).delete()


def grants_on(obj: Any) -> list[Holder]:
    """Who holds which rights on `obj`: teams by name, then people by address. Two queries."""
    teams = obj.team_grants.select_related("group__team", "permission").order_by(
        "group__team__name"
    )
    people = obj.grants.select_related("user", "permission").order_by("user__email")
    found: dict[UUID, Holder] = {}
    for row in teams:
        team = row.group.team
        _add(found.setdefault(team.pk, Holder("team", team.pk, team.name)), row)
    for row in people:
        user = row.user
        holder = Holder("user", user.pk, user.get_full_name(), user.email)
        _add(found.setdefault(user.pk, holder), row)
    return list(found.values())


def _add(holder: Holder, row: Any) -> None:
    holder.rights.append(row.permission.codename.partition("_")[0])
    holder.rights.sort(key=RIGHTS.index)


def _verbs_of(obj: Any, right: str) -> Sequence[str]:
    """What the right lets its holder do to `obj`; a project's right reaches all that is in it."""
    noun = obj._meta.model_name
    return [
        verb
        for verb, asked in GRANTED_BY.items()
        if asked in IMPLIES[right] and (noun == "project" or verb.startswith(f"{noun}."))
    ]


def _holder(actor: Actor, right: str, user_id: UUID | None, team_id: UUID | None) -> Any:
    if right not in RIGHTS:
        raise InvalidInput("There is no such right.", right=right, known=list(RIGHTS))
    if (user_id is None) == (team_id is None):
        raise InvalidInput("Name one person or one team.")
    if team_id is not None:
        team = Team.objects.of(actor.organization_id).filter(pk=team_id).first()
        if team is None:
            raise NotFound("There is no such team.")
        return team.group
    row = Membership.objects.of(actor.organization_id).filter(user_id=user_id).first()
    if row is None:
        raise NotFound("There is no such member.")
    return row.user


def _note(
    action: str, actor: Actor, obj: Any, right: str, user_id: UUID | None, team_id: UUID | None
) -> None:
    holder = {"user": str(user_id)} if user_id else {"team": str(team_id)}
    record(
        action,
        actor=actor,
        target_type=obj._meta.label_lower,
        target_id=obj.pk,
        summary=str(obj),
        data={**holder, "right": right},
        project_id=obj.pk if isinstance(obj, Project) else obj.project_id,
    )
