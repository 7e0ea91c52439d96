"""What orgs itself erases of a closed organization, and hands out before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from accounts.models import Letter
from accounts.sso.identities import release_all
from audit.models import Entry
from orgs.closing import erase_batch, plain_rows, register_erasure, register_source
from orgs.models import (
    ApiKey,
    Invitation,
    Membership,
    Organization,
    Project,
    SsoConnection,
    StoredAnswer,
    Team,
    TeamMembership,
)


def erase_access(organization_id: UUID, limit: int) -> int:
    """Projects last: keys and what rooms above keep in them are protected by them."""
    for connection in SsoConnection.objects.of(organization_id).values_list("pk", flat=True):
        release_all(connection)  # the links of people to it know it by its id alone
    for model in (Letter, ApiKey, Invitation, StoredAnswer, SsoConnection, Project):
        rows = model._default_manager.filter(organization_id=organization_id)
        if taken := erase_batch(rows, limit):
            return taken
    return 0


def organization_row(organization_id: UUID) -> Iterator[dict[str, Any]]:
    names = ("id", "name", "slug", "created_at", "require_second_factor", "audit_retention_days")
    yield from Organization.objects.filter(pk=organization_id).values(*names, "run_retention_days")


def member_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Membership.objects.of(organization_id)
    yield from plain_rows(rows, "id", "user_id", "user__email", "user__name", "role", "created_at")


def team_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    yield from plain_rows(
        Team.objects.of(organization_id), "id", "name", "description", "created_at"
    )


def team_member_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = TeamMembership.objects.of(organization_id)
    yield from plain_rows(rows, "id", "team_id", "member_id", "lead")


def project_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Project.objects.of(organization_id)
    names = ("id", "name", "description", "is_default", "restricted", "archived_at", "created_at")
    yield from plain_rows(rows, *names)


def key_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    """Without digests: what was a key here, never what opens anything."""
    rows = ApiKey.objects.of(organization_id)
    names = ("id", "name", "prefix", "scopes", "project_id", "created_at", "expires_at")
    yield from plain_rows(rows, *names, "revoked_at")


def invitation_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Invitation.objects.of(organization_id)
    names = ("id", "email", "role", "created_at", "accepted_at", "declined_at", "revoked_at")
    yield from plain_rows(rows, *names)


def audit_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    names = ("id", "at", "action", "actor_kind", "actor_id", "target_type", "target_id", "summary")
    yield from plain_rows(Entry.objects.of(organization_id), *names, "data", "trace_id")


def contribute() -> None:
    register_erasure("access", 900, erase_access)
    for name, rows in (
        ("organization", organization_row),
        ("members", member_rows),
        ("teams", team_rows),
        ("team_members", team_member_rows),
        ("projects", project_rows),
        ("keys", key_rows),
        ("invitations", invitation_rows),
        ("audit", audit_rows),
    ):
        register_source(name, rows)
