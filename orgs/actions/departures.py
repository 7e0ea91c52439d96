"""Somebody closes their account: what that means to their organizations."""

from django.db.models import Exists, OuterRef

from accounts.models import User
from orgs.access import Actor
from orgs.actions.members import remove_member
from orgs.errors import LastOwner
from orgs.models import Membership, Role


def check_owner_may_go(user: User) -> None:
    """Raise LastOwner, naming the organizations that would be left without an owner."""
    others = Membership.objects.filter(
        organization_id=OuterRef("organization_id"), role=Role.OWNER, user__is_active=True
    ).exclude(user_id=user.pk)
    alone = (
        Membership.objects.filter(user=user, role=Role.OWNER, organization__closed_at=None)
        .exclude(Exists(others))
        .select_related("organization")
        .order_by("organization__name")
    )
    left = [{"id": str(row.organization_id), "name": row.organization.name} for row in alone]
    if left:
        raise LastOwner(
            "You are the only owner of these organizations: hand them over first.",
            organizations=left,
        )


def leave_everything(user: User) -> None:
    """Like leaving each organization by oneself: the trail says so, keys and grants go too."""
    for row in Membership.objects.filter(user=user).select_related("organization").order_by("pk"):
        if row.organization.closed_at:
            row.delete()
            continue
        actor = Actor(organization_id=row.organization_id, role=row.role, user_id=user.pk)
        remove_member(actor=actor, membership_id=row.pk)


def names_of_organizations(user: User) -> list[str]:
    """Words a password may not be made of."""
    rows = Membership.objects.filter(user=user).values_list("organization__name", flat=True)
    return list(rows)
