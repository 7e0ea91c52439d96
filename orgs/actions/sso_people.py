"""People who come in through their organization's identity provider."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.sso.directory import Connection
from audit.actions import record
from orgs.access import Actor, system_actor
from orgs.actions.members import change_role
from orgs.closing import refuse_while_closing
from orgs.models import Membership, Role, SsoConnection


@transaction.atomic
def admit_person(*, connection: Connection, user: User, claims: Mapping[str, Any]) -> Membership:
    """Make the person a member by the role of their groups, or bring that role up to date.

    No actor is asked for a right: the organization gave it when it set up the connection. With a
    map, roles follow the provider at every sign-in; owners are left as they are. Raises
    OrganizationClosing for somebody new in its last days.
    """
    row = SsoConnection.objects.of(connection.organization_id).get(pk=connection.id)
    role = role_by(row, claims)
    member = Membership.objects.of(row.organization_id).filter(user=user).first()
    actor = Actor(organization_id=row.organization_id, user_id=user.pk)
    if member is None:
        refuse_while_closing(row.organization_id)
        member = Membership.objects.create(
            organization_id=row.organization_id, user=user, role=role
        )
        data = {"user": str(user.pk), "role": role, "connection": str(row.pk)}
        record(
            "orgs.member.added",
            actor=actor,
            target_type="membership",
            target_id=member.pk,
            summary=user.email,
            data=data,
        )
    elif row.role_map and member.role not in (role, Role.OWNER):
        by = system_actor(row.organization_id)
        member = change_role(actor=by, membership_id=member.pk, role=role)
    note_sign_on(
        "orgs.sso.signed_in",
        connection.id,
        actor,
        row.name,
        user=str(user.pk),
        role=member.role,
    )
    found: Membership = member
    return found


def role_by(row: SsoConnection, claims: Mapping[str, Any]) -> str:
    """The highest role that a group of the claims maps to; the default without one."""
    groups = groups_in(claims, row.role_claim)
    given = {role for group, role in row.role_map.items() if group in groups}
    ranked = [role for role in Role.values if role != Role.OWNER]
    return next((role for role in ranked if role in given), str(row.default_role))


def groups_in(claims: Mapping[str, Any], name: str) -> set[str]:
    """A claim as a set of texts; `realm_access.roles` looks into nested ones."""
    if not name:
        return set()
    value: Any = claims.get(name)
    if value is None:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return {value}
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()


def note_sign_on(event: str, connection_id: UUID, actor: Actor, summary: str, **data: Any) -> None:
    """`before` and `after` of the data are an address that changed."""
    before, after = ({"email": data.pop(name, "")} for name in ("before", "after"))
    record(
        event,
        actor=actor,
        target_type="sso_connection",
        target_id=connection_id,
        summary=summary,
        data=data,
        before=before if before["email"] else None,
        after=after if after["email"] else None,
    )
