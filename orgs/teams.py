"""In which teams somebody is: asked when a right or a task depends on it, never remembered."""

from __future__ import annotations

from uuid import UUID

from orgs.models import TeamMembership


def team_ids_of(organization_id: UUID, user_id: UUID) -> list[UUID]:
    """The person's teams in the organization, as they are now."""
    rows = TeamMembership.objects.of(organization_id).filter(member__user_id=user_id)
    return list(rows.order_by("team_id").values_list("team_id", flat=True))
