"""People come, change roles and leave."""

from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from audit.actions import record
from core.errors import InvalidInput, NotFound
from orgs.access import Actor, require
from orgs.actions.keys import end_keys
from orgs.errors import AlreadyMember, LastOwner, RoleAboveYours
from orgs.grants import forget_grants
from orgs.models import Membership, Organization, Role


@transaction.atomic
def add_member(*, actor: Actor, email: str, role: str) -> Membership:
    """Make an existing user a member. Raises NotFound when nobody has this address."""
    require(actor, "member.manage")
    _check_role(actor, role)
    user = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
    if user is None:
        raise NotFound("Nobody has an account with this address.", email=email)
    try:
        with transaction.atomic():
            row = Membership.objects.create(
                organization_id=actor.organization_id, user=user, role=role
            )
    except IntegrityError:
        raise AlreadyMember("This person is a member already.", email=email) from None
    _note_member("orgs.member.added", actor, row, role=role)
    return row


@transaction.atomic
def change_role(*, actor: Actor, membership_id: UUID, role: str) -> Membership:
    require(actor, "member.manage")
    _check_role(actor, role)
    row = _locked_member(actor, membership_id)
    _check_role(actor, row.role)
    if row.role == Role.OWNER and role != Role.OWNER:
        _keep_an_owner(row)
    before, row.role = row.role, role
    row.save(update_fields=["role", "updated_at"])
    _note_member("orgs.member.role_changed", actor, row, before=before, after=role)
    end_keys(actor, row.user_id, role)
    return row


@transaction.atomic
def remove_member(*, actor: Actor, membership_id: UUID) -> None:
    """Removing oneself is leaving, and needs no right; the last owner cannot.

    What was shared with the person and the keys they made go with them: they know the clear text.
    """
    row = _locked_member(actor, membership_id)
    if row.user_id != actor.user_id:
        require(actor, "member.manage")
        _check_role(actor, row.role)
    if row.role == Role.OWNER:
        _keep_an_owner(row)
    _note_member("orgs.member.removed", actor, row, role=row.role)
    end_keys(actor, row.user_id)
    forget_grants(actor.organization_id, row.user_id)
    row.delete()


def _check_role(actor: Actor, role: str) -> None:
    if role not in Role.values:
        raise InvalidInput("There is no such role.", role=role, known=list(Role.values))
    if role == Role.OWNER and actor.role != Role.OWNER:
        raise RoleAboveYours("Only an owner can make, change or remove an owner.", role=role)


def _locked_member(actor: Actor, membership_id: UUID) -> Membership:
    # The organization's row is the lock: two owners cannot step down past each other.
    Organization.objects.select_for_update().get(pk=actor.organization_id)
    row = Membership.objects.of(actor.organization_id).filter(pk=membership_id).first()
    if row is None:
        raise NotFound("There is no such member.")
    found: Membership = row
    return found


def _keep_an_owner(row: Membership) -> None:
    others = Membership.objects.owners_of(row.organization_id).exclude(pk=row.pk)
    if not others.filter(user__is_active=True).exists():
        raise LastOwner("An organization needs at least one owner.")


def _note_member(action: str, actor: Actor, row: Membership, **data: str) -> None:
    record(
        action,
        actor=actor,
        target_type="membership",
        target_id=row.pk,
        summary=row.user.email,
        data={"user": str(row.user_id), **data},
    )
