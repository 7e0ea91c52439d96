"""What sign-in asks about connections (`accounts.sso.directory`), answered from our rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from accounts.models import User
from accounts.sso.directory import Connection, domain_of
from accounts.sso.errors import SsoClosed
from orgs.access import SESSION_KEY, Actor
from orgs.actions.sso_people import admit_person, note_sign_on
from orgs.errors import OrganizationClosing
from orgs.models import Membership, SsoConnection, SsoDomain

EVENTS = {
    "refused": "orgs.sso.refused",
    "linked": "orgs.sso.linked",
    "address_changed": "orgs.sso.address_changed",
}
"""What `accounts` tells of, and what the trail calls it."""


class SsoDirectory:
    def connection(self, connection_id: UUID, *, lock: bool = False) -> Connection | None:
        rows = SsoConnection.objects.filter(
            pk=connection_id, enabled=True, organization__closed_at=None
        )
        row = (rows.select_for_update(of=("self",)) if lock else rows).first()
        return _as_connection(row) if row else None

    def connection_for(self, domain: str) -> Connection | None:
        row = _proven(domain).first() if domain else None
        return _as_connection(row.connection) if row else None

    def enforced_for(self, email: str) -> Connection | None:
        domain = domain_of(email)
        row = _proven(domain).filter(connection__enforced=True).first() if domain else None
        return _as_connection(row.connection) if row else None

    def may_break_glass(self, connection: Connection, user: User) -> bool:
        owners = Membership.objects.owners_of(connection.organization_id)
        return owners.filter(user=user).exists()

    def admit(self, connection: Connection, user: User, claims: Mapping[str, Any]) -> None:
        try:
            admit_person(connection=connection, user=user, claims=claims)
        except OrganizationClosing as error:
            raise SsoClosed(organization=str(connection.organization_id)) from error

    def note(self, connection: Connection, event: str, user: User | None, **data: Any) -> None:
        actor = Actor(organization_id=connection.organization_id, user_id=user.pk if user else None)
        summary = user.email if user else connection.name
        note_sign_on(EVENTS[event], connection.id, actor, summary, **data)

    def enter(self, session: Any, connection: Connection) -> None:
        session[SESSION_KEY] = str(connection.organization_id)


def _proven(domain: str) -> Any:
    """Case is no matter: domains are stored in lower case and in ASCII."""
    rows = SsoDomain.objects.filter(
        domain=domain,
        verified_at__isnull=False,
        connection__enabled=True,
        connection__organization__closed_at=None,
    )
    return rows.select_related("connection")


def _as_connection(row: SsoConnection) -> Connection:
    domains = row.domains.filter(verified_at__isnull=False).values_list("domain", flat=True)
    return Connection(
        id=row.pk,
        organization_id=row.organization_id,
        name=row.name,
        issuer=row.issuer,
        client_id=row.client_id,
        client_secret=row.client_secret.reveal(),
        scopes=tuple(row.scopes.split()),
        role_claim=row.role_claim,
        domains=frozenset(domains),
        max_age=row.max_age_hours * 3600,
    )
