"""Sharing one object with one person, through guardian's direct-foreign-key permissions.

A shareable model in an upper room declares `class XGrant(UserGrant)` with
`content_object = ForeignKey(X)`, and permissions named `<verb>_<model>` in its Meta.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import models, transaction
from guardian.models import UserObjectPermissionBase
from guardian.shortcuts import assign_perm, get_objects_for_user, remove_perm

from audit.actions import record
from core.errors import InvalidInput, NotFound
from orgs.access import Actor, require
from orgs.models import Membership
from orgs.permissions import GRANTABLE


class UserGrant(UserObjectPermissionBase):
    """Rows cascade with the object and with the person: no orphans."""

    class Meta(UserObjectPermissionBase.Meta):
        abstract = True


def shareable(model: type[models.Model]) -> bool:
    """Whether a grant model points at it."""
    return any(issubclass(each.related_model, UserGrant) for each in model._meta.related_objects)


def codename(model: type[models.Model], right: str) -> str:
    return f"{right}_{model._meta.model_name}"


def _right_of(verb: str) -> str:
    return verb.rpartition(".")[2]


def has_grant(actor: Actor, verb: str, obj: models.Model) -> bool:
    """Whether the right was granted to this person on this object (a stronger one counts too)."""
    right = _right_of(verb)
    if actor.user_id is None or right not in GRANTABLE or not shareable(type(obj)):
        return False
    rights = GRANTABLE[GRANTABLE.index(right) :]
    user = get_user_model()(pk=actor.user_id, is_active=True)
    return any(
        user.has_perm(f"{obj._meta.app_label}.{codename(type(obj), one)}", obj) for one in rights
    )


def granted_ids(actor: Actor, model: type[models.Model], verb: str) -> models.QuerySet[Any]:
    """Ids of the organization's objects that were shared with this person."""
    everything = model._default_manager.filter(organization_id=actor.organization_id)
    if actor.user_id is None:
        return everything.none().values("pk")
    rights = GRANTABLE[GRANTABLE.index(_right_of(verb)) :]
    user = get_user_model()(pk=actor.user_id, is_active=True)
    names = [f"{model._meta.app_label}.{codename(model, right)}" for right in rights]
    # accept_global_perms would hand every row of every tenant to whoever holds a model permission.
    found = get_objects_for_user(
        user, names, klass=everything, any_perm=True, accept_global_perms=False
    )
    return found.values("pk")


@transaction.atomic
def grant(*, actor: Actor, obj: Any, user_id: UUID, right: str, verb: str) -> None:
    """Share `obj` with a member of the same organization. `verb` is what the actor needs on it."""
    require(actor, verb, obj)
    user = _member(actor, user_id, right)
    require(actor, f"{verb.partition('.')[0]}.{right}", obj)  # nobody gives more than they hold
    assign_perm(codename(type(obj), right), user, obj)
    _note("orgs.grant.given", actor, obj, user_id, right)


@transaction.atomic
def revoke(*, actor: Actor, obj: Any, user_id: UUID, right: str, verb: str) -> None:
    require(actor, verb, obj)
    user = _member(actor, user_id, right)
    remove_perm(codename(type(obj), right), user, obj)
    _note("orgs.grant.revoked", actor, obj, user_id, right)


def forget_grants(organization_id: UUID, user_id: UUID) -> None:
    """Everything that was shared with a person who leaves, so that coming back starts afresh."""
    for model in UserGrant.__subclasses__():
        theirs = model._default_manager.filter(user_id=user_id)
        theirs.filter(content_object__organization_id=organization_id).delete()


def _member(actor: Actor, user_id: UUID, right: str) -> Any:
    if right not in GRANTABLE:
        raise InvalidInput("There is no such right.", right=right, known=list(GRANTABLE))
    row = Membership.objects.of(actor.organization_id).filter(user_id=user_id).first()
    if row is None:
        raise NotFound("There is no such member.")
    return row.user


def _note(action: str, actor: Actor, obj: Any, user_id: UUID, right: str) -> None:
    record(
        action,
        actor=actor,
        target_type=obj._meta.label_lower,
        target_id=obj.pk,
        data={"user": str(user_id), "right": right},
    )


def grants_on(obj: Any) -> list[tuple[Any, list[str]]]:
    """Who holds which rights on `obj`: [(user, rights)], weakest right first. One query."""
    rows = obj.grants.select_related("user", "permission").order_by("user__email")
    by_user: dict[Any, list[str]] = {}
    for row in rows:
        by_user.setdefault(row.user, []).append(row.permission.codename.partition("_")[0])
    return [(user, sorted(rights, key=GRANTABLE.index)) for user, rights in by_user.items()]
