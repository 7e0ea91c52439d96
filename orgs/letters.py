"""What organizations write to people about, and to whom; the action it tells of writes it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from accounts.letters import write_letter
from accounts.models import Letter, User
from accounts.notifications import register_notification
from orgs.actor import Actor
from orgs.models import ApiKey, Invitation, Membership, Organization, Role, SupportAccess

MEMBERSHIP, OWNERSHIP = "membership", "ownership"
ENDING, SUPPORT = "organization_ending", "support_entered"
ANSWERED, EXPIRY = "invitation_answered", "key_expiry"


def contribute() -> None:
    register_notification(
        MEMBERSHIP,
        _("Your place in organizations"),
        _("When you are added or removed, or your role changes."),
    )
    register_notification(
        ANSWERED,
        _("Answers to your invitations"),
        _("When somebody you invited joins or declines."),
    )
    register_notification(
        EXPIRY,
        _("Keys that expire"),
        _("A week before an API key you made ends."),
        stands=_key_still_ends,
    )
    register_notification(
        OWNERSHIP, _("Ownership"), _("When you become an owner, or are one no longer."), always=True
    )
    register_notification(
        ENDING,
        _("The end of an organization"),
        _("When one you own is to be deleted, or is kept after all."),
        always=True,
        stands=_still_ending,
    )
    register_notification(
        SUPPORT,
        _("Support in your organization"),
        _("When an operator enters one you own."),
        always=True,
    )


def _key_still_ends(letter: Letter) -> bool:
    """Neither revoked nor followed by another since."""
    pk = letter.context["key_id"]
    followed = ApiKey.objects.filter(rotated_from_id=pk, revoked_at=None).exists()
    return not followed and ApiKey.objects.live(now()).filter(pk=pk).exists()


def _still_ending(letter: Letter) -> bool:
    """An announcement that comes after the news that it was called off would alarm for nothing."""
    if letter.template != "orgs/mail/closing" or letter.organization_id is None:
        return True
    closing = Organization.objects.filter(closing_at__isnull=False)
    return closing.filter(pk=letter.organization_id).exists()


def tell_owners(organization: Organization, kind: str, name: str, path: str, **said: Any) -> None:
    """The letter `orgs/mail/<name>` to every owner whose account is active."""
    owners = Membership.objects.owners_of(organization.pk).filter(user__is_active=True)
    for user_id in owners.order_by("pk").values_list("user_id", flat=True):
        _write(kind, name, user_id, organization, path, **said)


def tell_of_end(organization: Organization, name: str, actor: Actor) -> None:
    """`name`: "closing" or "kept"."""
    said = {"by": name_of(actor.user_id), "closes_at": organization.closing_at}
    tell_owners(organization, ENDING, name, reverse("organization_danger"), **said)


def tell_of_support(stay: SupportAccess) -> None:
    said = {
        "who": stay.operator.get_full_name(),
        "reason": stay.reason,
        "level": stay.level,
        "until_at": stay.expires_at,
    }
    tell_owners(stay.organization, SUPPORT, "support", reverse("support_stays"), **said)


def tell_new_owner(row: Membership, actor: Actor) -> None:
    path = reverse("organization_settings")
    by = name_of(actor.user_id)
    _write(OWNERSHIP, "ownership", row.user_id, row.organization, path, by=by)


def tell_member(name: str, row: Membership, actor: Actor, **said: str) -> None:
    """What somebody else has done to a member's place. `name`: added, role_changed or removed."""
    if row.user_id == actor.user_id:
        return
    kind = OWNERSHIP if Role.OWNER in (row.role, said.get("before")) else MEMBERSHIP
    by = name_of(actor.user_id)
    _write(kind, name, row.user_id, row.organization, reverse("home"), by=by, **said)


def tell_inviter(invitation: Invitation, name: str, **said: str) -> None:
    """`name`: "joined" or "declined"."""
    by = invitation.invited_by_id
    inviter = User.objects.filter(pk=by, is_active=True).first() if by else None
    if inviter is None or said.get("user") == str(inviter.pk):
        return
    path = reverse("organization_members" if name == "joined" else "organization_invitations")
    said = {"email": invitation.email, **said}
    _write(ANSWERED, name, inviter.pk, invitation.organization, path, **said)


def tell_maker(key: ApiKey, user_id: UUID) -> None:
    """That a key of theirs ends soon."""
    said = {
        "key_id": str(key.pk),
        "key": key.name,
        "prefix": key.prefix,
        "project": key.project.name,
        "expires_at": key.expires_at,
    }
    path = reverse("api_key", args=[key.pk])
    _write(EXPIRY, "key_expires", user_id, key.organization, path, **said)


def _write(
    kind: str, name: str, user_id: UUID, organization: Organization, path: str, **said: Any
) -> None:
    write_letter(
        kind,
        user_id=user_id,
        template=f"orgs/mail/{name}",
        path=path,
        organization_id=organization.pk,
        context={"organization": organization.name, **said},
    )


def name_of(user_id: UUID | None) -> str:
    """Empty where nobody is named: the platform itself, or a key."""
    user = User.objects.filter(pk=user_id).first() if user_id else None
    return user.get_full_name() if user else ""
