"""Who acts, and what they hold by role, scope or stay. `orgs.access` answers all further."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from orgs.permissions import OPEN_EVERY_PROJECT, SUPPORT, VERBS


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, in which organization, with what. Neither user nor key: the system itself."""

    organization_id: UUID
    role: str = ""
    user_id: UUID | None = None
    api_key_id: UUID | None = None
    scopes: frozenset[str] | None = None
    """None: everything the role allows; a key carries its scopes here and no role."""
    project_id: UUID | None = None
    """A key sees and makes things in its project alone; None for people."""
    support_id: UUID | None = None
    """The stay (`SupportAccess`) by which an operator is inside; `role` is its level then."""

    @property
    def kind(self) -> str:
        if self.api_key_id:
            return "key"
        return "user" if self.user_id else "system"


def holds(actor: Actor, verb: str) -> bool:
    """Whether role, scopes or stay bring `verb`, apart from any object. KeyError: no such verb.

    For what has no object: menus, forms, money. About an object, ask `orgs.access.can`.
    """
    roles = VERBS[verb]
    if actor.scopes is not None:
        return verb in actor.scopes
    if actor.support_id is not None:
        return verb in SUPPORT.get(actor.role, ())
    return actor.role in roles


def opens_every_project(actor: Actor) -> bool:
    if actor.scopes is not None:
        return False
    return actor.support_id is not None or actor.role in OPEN_EVERY_PROJECT
