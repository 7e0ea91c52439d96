"""People come, change roles and leave; ownership is handed over."""

from collections.abc import Sequence
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from audit.actions import record
from core.errors import InvalidInput, NotFound
from orgs.access import Actor, require
from orgs.actions.keys import end_keys
from orgs.actions.retracting import end_invitations
from orgs.actions.teams import leave_teams
from orgs.closing import refuse_while_closing
from orgs.errors import AlreadyMember, LastOwner, RoleAboveYours
from orgs.grants import forget_grants
from orgs.letters import tell_member, tell_new_owner
from orgs.models import Membership, MembershipQuerySet, Organization, Role
from orgs.permissions import VERBS


@transaction.atomic
def add_member(*, actor: Actor, email: str, role: str) -> Membership:
    """Make an existing user a member without asking them: for operators, commands and tests.

    Pages and API invite instead (`create_invitation`). Raises NotFound when nobody has the address.
    """
    require(actor, "member.manage")
    check_role(actor, role)
    refuse_while_closing(actor.organization_id)
    user = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
    if user is None:
        raise NotFound("Nobody has an account with this address.", email=email)
    row, new = enter(actor.organization_id, user, role)
    if not new:
        raise AlreadyMember("This person is a member already.", email=email)
    note_member("orgs.member.added", actor, row, role=role)
    tell_member("added", row, actor, role=role)
    return row


def enter(organization_id: UUID, user: User, role: str) -> tuple[Membership, bool]:
    """The person's membership, and whether it is a new one; the row alone."""
    try:
        with transaction.atomic():
            return Membership.objects.create(
                organization_id=organization_id, user=user, role=role
            ), True
    except IntegrityError:
        return Membership.objects.of(organization_id).select_related("user").get(user=user), False


@transaction.atomic
def change_role(*, actor: Actor, membership_id: UUID, role: str) -> Membership:
    require(actor, "member.manage")
    check_role(actor, role)
    row = _locked_member(actor, membership_id)
    check_role(actor, row.role)
    if row.role == Role.OWNER and role != Role.OWNER:
        _keep_an_owner(row)
    before, row.role = row.role, role
    row.save(update_fields=["role", "updated_at"])
    note_member("orgs.member.role_changed", actor, row, before=before, after=role)
    if before != role:
        tell_member("role_changed", row, actor, before=before, after=role)
    end_keys(actor, row.user_id, role)
    end_invitations(actor, row.user_id, _beyond(role))
    return row


def _beyond(role: str) -> Sequence[str] | None:
    """To which roles somebody of `role` may not invite; None: to none at all."""
    if role not in VERBS["member.manage"]:
        return None
    return () if role == Role.OWNER else (Role.OWNER,)


@transaction.atomic
def remove_member(*, actor: Actor, membership_id: UUID) -> None:
    """Removing oneself is leaving, and needs no right; the last owner cannot.

    What was shared with the person and the keys they made go with them: they know the clear text.
    So do their places in teams and the invitations they sent.
    """
    row = _locked_member(actor, membership_id)
    if row.user_id != actor.user_id:
        require(actor, "member.manage")
        check_role(actor, row.role)
    if row.role == Role.OWNER:
        _keep_an_owner(row)
    note_member("orgs.member.removed", actor, row, role=row.role)
    tell_member("removed", row, actor)
    end_keys(actor, row.user_id)
    end_invitations(actor, row.user_id)
    forget_grants(actor.organization_id, row.user_id)
    leave_teams(row)
    row.delete()


@transaction.atomic
def transfer_ownership(*, actor: Actor, membership_id: UUID) -> Membership:
    """Make another member an owner and step back to administrator oneself, both or neither.

    Raises InvalidInput for oneself and for somebody who is disabled.
    """
    row = _locked_member(actor, membership_id)
    # Read under the lock: an owner who was demoted a moment ago hands over nothing.
    mine = Membership.objects.owners_of(actor.organization_id).filter(user_id=actor.user_id).first()
    if mine is None:
        raise RoleAboveYours("Only an owner can hand over an organization.")
    if row.pk == mine.pk or not row.user.is_active:
        raise InvalidInput("Hand it over to another member whose account is active.")
    row.role, mine.role = Role.OWNER, Role.ADMIN
    for each in (row, mine):
        each.save(update_fields=["role", "updated_at"])
    end_keys(actor, mine.user_id, Role.ADMIN)
    end_invitations(actor, mine.user_id, (Role.OWNER,))
    note_member("orgs.ownership.transferred", actor, row, by=str(actor.user_id))
    tell_new_owner(row, actor)
    return row


def check_role(actor: Actor, role: str) -> None:
    """Nobody but an owner has to do with owners."""
    if role not in Role.values:
        raise InvalidInput("There is no such role.", role=role, known=list(Role.values))
    if role == Role.OWNER and actor.role != Role.OWNER:
        raise RoleAboveYours("Only an owner can make, change or remove an owner.", role=role)


def _locked_member(actor: Actor, membership_id: UUID) -> Membership:
    # The organization's row is the lock: two owners cannot step down past each other.
    Organization.objects.select_for_update().get(pk=actor.organization_id)
    rows = Membership.objects.of(actor.organization_id).select_related("user")
    row = rows.filter(pk=membership_id).first()
    if row is None:
        raise NotFound("There is no such member.")
    found: Membership = row
    return found


def _keep_an_owner(row: Membership) -> None:
    if not _other_owners(row).exists():
        raise LastOwner("An organization needs at least one owner.")


def _other_owners(row: Membership) -> MembershipQuerySet:
    others = Membership.objects.owners_of(row.organization_id).exclude(pk=row.pk)
    return others.filter(user__is_active=True)


def note_member(action: str, actor: Actor, row: Membership, **data: str) -> None:
    record(
        action,
        actor=actor,
        target_type="membership",
        target_id=row.pk,
        summary=row.user.email,
        data={"user": str(row.user_id), **data},
    )
