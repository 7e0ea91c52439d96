"""Teams: made, changed, deleted; people come in and go out.

A team's Django group is what guardian grants objects to. Its rows are written here and nowhere
else, in the transaction that writes the team's own.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from core.errors import InvalidInput, NotFound
from orgs.access import Actor, can, require
from orgs.actions.rows import note, saved
from orgs.errors import AlreadyMember, NameTaken
from orgs.models import Membership, Organization, Team, TeamMembership


@transaction.atomic
def create_team(*, actor: Actor, name: str, description: str = "") -> Team:
    require(actor, "team.manage")
    team = Team(
        organization_id=actor.organization_id, name=_named(name), description=description[:300]
    )
    team.group = Group.objects.create(name=f"team:{team.pk}")
    _save(team, new=True)
    _note("orgs.team.created", actor, team)
    return team


@transaction.atomic
def update_team(
    *, actor: Actor, team_id: UUID, name: str | None = None, description: str | None = None
) -> Team:
    require(actor, "team.manage")
    team = _team_of(actor, team_id)
    before = {"name": team.name, "description": team.description}
    if name is not None:
        team.name = _named(name)
    if description is not None:
        team.description = description.strip()[:300]
    after = {"name": team.name, "description": team.description}
    if after != before:
        _save(team)
        _note("orgs.team.changed", actor, team, before=before, after=after)
    return team


@transaction.atomic
def delete_team(*, actor: Actor, team_id: UUID) -> None:
    """With its group go all rights that were granted to it."""
    require(actor, "team.manage")
    team = _team_of(actor, team_id)
    _note("orgs.team.deleted", actor, team, members=team.members.count())
    drop_team(team)


def drop_team(team: Team) -> None:
    """The rows alone: the team before the group it protects, whose grants cascade."""
    group = team.group
    team.delete()
    group.delete()


@transaction.atomic
def add_to_team(
    *, actor: Actor, team_id: UUID, membership_id: UUID, lead: bool = False
) -> TeamMembership:
    """Who manages teams may, and a lead of this very team; only the former name leads."""
    team = _led_by(actor, team_id)
    if lead:
        require(actor, "team.manage")
    member = Membership.objects.of(actor.organization_id).filter(pk=membership_id).first()
    if member is None:
        raise NotFound("There is no such member.")
    row = join_team(team, member, lead=lead)
    _note_person("orgs.team.member_added", actor, row, lead=lead)
    return row


def join_team(team: Team, member: Membership, *, lead: bool = False) -> TeamMembership:
    """The rows alone. Raises AlreadyMember."""
    try:
        with transaction.atomic():
            row: TeamMembership = TeamMembership.objects.create(
                organization_id=team.organization_id, team=team, member=member, lead=lead
            )
    except IntegrityError:
        raise AlreadyMember("This person is in the team already.") from None
    member.user.groups.add(team.group_id)
    return row


@transaction.atomic
def set_lead(*, actor: Actor, team_membership_id: UUID, lead: bool) -> TeamMembership:
    require(actor, "team.manage")
    row = _row_of(actor, team_membership_id)
    if row.lead != lead:
        row.lead = lead
        row.save(update_fields=["lead", "updated_at"])
        _note_person("orgs.team.lead_changed", actor, row, lead=lead)
    return row


@transaction.atomic
def remove_from_team(*, actor: Actor, team_membership_id: UUID) -> None:
    """Taking oneself out needs no right."""
    row = _row_of(actor, team_membership_id)
    if row.member.user_id != actor.user_id:
        _led_by(actor, row.team_id)
    _note_person("orgs.team.member_removed", actor, row)
    _part(row)


def leave_teams(member: Membership) -> None:
    """Out of every team of the organization, with the groups behind them."""
    for row in TeamMembership.objects.filter(member=member).select_related("team", "member__user"):
        _part(row)


def teams_of(organization_id: UUID, wanted: Iterable[UUID | str]) -> list[Team]:
    """The teams of these ids. Raises NotFound when one is not the organization's."""
    ids = {str(each) for each in wanted}
    found = list(Team.objects.of(organization_id).filter(pk__in=ids).order_by("pk"))
    if len(found) != len(ids):
        raise NotFound("There is no such team.")
    return found


def _part(row: TeamMembership) -> None:
    row.member.user.groups.remove(row.team.group_id)
    row.delete()


def _led_by(actor: Actor, team_id: UUID) -> Team:
    team = _team_of(actor, team_id)
    if not can(actor, "team.manage") and not leads(actor, team_id):
        require(actor, "team.manage")
    return team


def leads(actor: Actor, team_id: UUID) -> bool:
    rows = TeamMembership.objects.of(actor.organization_id).filter(team_id=team_id, lead=True)
    return actor.user_id is not None and rows.filter(member__user_id=actor.user_id).exists()


def _team_of(actor: Actor, team_id: UUID) -> Team:
    # The organization's row is the lock, as for members: who leaves joins no team meanwhile.
    Organization.objects.select_for_update().get(pk=actor.organization_id)
    team = Team.objects.of(actor.organization_id).filter(pk=team_id).first()
    if team is None:
        raise NotFound("There is no such team.")
    found: Team = team
    return found


def _row_of(actor: Actor, pk: UUID) -> TeamMembership:
    Organization.objects.select_for_update().get(pk=actor.organization_id)
    rows = TeamMembership.objects.of(actor.organization_id).select_related("team", "member__user")
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such member.")
    found: TeamMembership = row
    return found


def _named(name: str) -> str:
    if not name.strip():
        raise InvalidInput("A team needs a name.")
    return name.strip()[:80]


def _save(team: Team, *, new: bool = False) -> None:
    if not saved(team, new=new):
        raise NameTaken("There is a team of this name already.", name=team.name)


def _note(event: str, actor: Actor, team: Team, **told: Any) -> None:
    note(event, actor, "team", team, **told)


def _note_person(action: str, actor: Actor, row: TeamMembership, **data: object) -> None:
    who = {"user": str(row.member.user_id), "email": row.member.user.email}
    _note(action, actor, row.team, **who, **data)
