"""What lists and details of people show, for pages and API alike."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.timezone import now

from accounts.addresses import verified_addresses
from accounts.models import User
from orgs.access import Actor
from orgs.models import ApiKey, Invitation, Membership, Project, Team, TeamMembership


def members_of(actor: Actor, search: str = "", role: str = "") -> QuerySet[Membership]:
    """Found by a part of name or address; by a role."""
    rows = Membership.objects.visible_to(actor).select_related("user")
    return narrowed(rows, search, role)


def narrowed(rows: QuerySet[Membership], search: str, role: str) -> QuerySet[Membership]:
    if search:
        rows = rows.filter(Q(user__name__icontains=search) | Q(user__email__icontains=search))
    return rows.filter(role=role) if role else rows


def with_details(rows: QuerySet[Membership]) -> QuerySet[Membership]:
    """With `keys` (live ones the person made here) and the teams."""
    live = ApiKey.objects.live(now()).filter(
        organization_id=OuterRef("organization_id"), created_by_id=OuterRef("user_id")
    )
    counted = live.order_by().values("created_by_id").annotate(n=Count("pk")).values("n")
    return rows.annotate(keys=Coalesce(Subquery(counted), 0)).prefetch_related("teams__team")


def last_seen(user: User) -> datetime | None:
    return user.last_login


def teams_with_size(actor: Actor) -> QuerySet[Team]:
    rows: QuerySet[Team] = Team.objects.visible_to(actor)
    return rows.annotate(size=Count("members"))


def people_of(team: Team) -> QuerySet[TeamMembership]:
    return team.members.select_related("member__user").order_by("-pk")


def invitations_for(user: User) -> QuerySet[Invitation]:
    """Open ones to an address the person is known to read, of organizations that take people."""
    addresses = verified_addresses(user)
    if not addresses:
        return Invitation.objects.none()
    rows: Any = Invitation.objects.all().open(now()).filter(email__in=addresses)
    return rows.filter(organization__closing_at=None).select_related("organization")


def projects_of(actor: Actor) -> list[Project]:
    """For a choice in a form: the default first, archived ones last."""
    rows = Project.objects.visible_to(actor)
    ordered = rows.order_by(F("archived_at").asc(nulls_first=True), "-is_default", "name")
    return list(ordered[:500])
