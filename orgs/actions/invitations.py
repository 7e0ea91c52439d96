"""Invitations by mail: made, sent again, taken back, accepted, declined.

A link's secret is born in `issue_secret`, right before its mail leaves: it is never on a queue.
Locks: the organization's row before the invitation's, everywhere.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now
from django.utils.translation import get_language

from accounts.addresses import verified_addresses
from accounts.models import User
from audit.models import Entry
from core.errors import InvalidInput, NotFound, PermissionRefused
from core.queue import enqueue
from orgs.access import Actor, require
from orgs.actions.members import check_role, enter, note_member
from orgs.actions.retracting import note_invitation, retract
from orgs.actions.teams import join_team, teams_of
from orgs.closing import refuse_while_closing
from orgs.errors import (
    AlreadyMember,
    InvitationClosed,
    InvitationForAnother,
    InvitationPending,
    TooManyInvitations,
)
from orgs.letters import tell_inviter
from orgs.models import Invitation, Membership, Organization, Team

HOUR = timedelta(hours=1)
LATE = timedelta(minutes=2)
"""After which an announcement counts as lost."""
SENDING = timedelta(minutes=5)
"""Longer than handing a mail over can take."""
SENDINGS = ("orgs.invitation.created", "orgs.invitation.resent")


@transaction.atomic
def create_invitation(
    *, actor: Actor, email: str, role: str, team_ids: Sequence[UUID | str] = ()
) -> Invitation:
    """Ask `email` to join. The answer is the same whether somebody has an account with it or not.

    An invitation that has expired is replaced. Raises AlreadyMember, InvitationPending,
    RoleAboveYours, OrganizationClosing and TooManyInvitations.
    """
    require(actor, "member.manage")
    check_role(actor, role)
    email = _address(email)
    _lock(actor.organization_id)
    refuse_while_closing(actor.organization_id)
    teams = teams_of(actor.organization_id, team_ids)
    _refuse_known(actor, email)
    _slow_down(actor)
    invitation: Invitation = Invitation.objects.create(
        organization_id=actor.organization_id,
        email=email,
        role=role,
        teams=[str(team.pk) for team in teams],
        digest=digest_of(secrets.token_urlsafe(32)),
        invited_by_id=actor.user_id,
        language=get_language() or "",
        expires_at=_expiry(),
    )
    note_invitation("orgs.invitation.created", actor, invitation, role=role, teams=invitation.teams)
    enqueue("orgs.tasks.send_invitation", invitation_id=str(invitation.pk))
    return invitation


def _address(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidInput("This is not an e-mail address.", email=email[:254]) from None
    return email


def _refuse_known(actor: Actor, email: str) -> None:
    members = Membership.objects.of(actor.organization_id)
    if members.filter(user__email__iexact=email).exists():
        raise AlreadyMember("This person is a member already.", email=email)
    mine = Invitation.objects.of(actor.organization_id).filter(email__iexact=email)
    if pending := mine.open(now()).first():
        raise InvitationPending(
            "This address is invited already.", email=email, invitation=str(pending.pk)
        )
    # One that ran out makes room for the new one.
    ended = mine.filter(accepted_at=None, declined_at=None, revoked_at=None)
    ended.update(revoked_at=now(), updated_at=now())


def _slow_down(actor: Actor) -> None:
    """Per organization and per person, counted on the trail under the organization's lock."""
    at, limit = now(), settings.INVITATIONS_PER_HOUR
    recent = Entry.objects.filter(action__in=SENDINGS, at__gt=at - HOUR)
    counted = [recent.filter(organization_id=actor.organization_id)]
    if actor.user_id:
        counted.append(recent.filter(actor_id=actor.user_id))
    waits = [wait for rows in counted if (wait := _wait(rows, limit, at))]
    if waits:
        raise TooManyInvitations(
            "Too many invitations within an hour; try later.", limit=limit, retry_after=max(waits)
        )


def _wait(rows: QuerySet[Entry], limit: int, at: datetime) -> int:
    """Seconds until fewer than `limit` of these are younger than an hour; 0 when that is so."""
    if limit < 1:
        return int(HOUR.total_seconds())
    blocking = rows.order_by("-at").values_list("at", flat=True)[limit - 1 : limit].first()
    return math.floor((blocking + HOUR - at).total_seconds()) + 1 if blocking else 0


@transaction.atomic
def resend_invitation(*, actor: Actor, invitation_id: UUID) -> Invitation:
    """Another mail with another secret and the whole time again; the former link is dead at once.

    One that has expired comes back to life. Raises InvitationClosed for any other end.
    """
    require(actor, "member.manage")
    invitation = _held(actor.organization_id, invitation_id)
    check_role(actor, invitation.role)
    refuse_while_closing(actor.organization_id)
    _refuse_closed(invitation, but="expired")
    _slow_down(actor)
    invitation.digest = digest_of(secrets.token_urlsafe(32))
    invitation.sent_at = invitation.sending_at = None
    invitation.expires_at = _expiry()
    changed = ["digest", "sent_at", "sending_at", "expires_at", "updated_at"]
    invitation.save(update_fields=changed)
    note_invitation("orgs.invitation.resent", actor, invitation)
    enqueue("orgs.tasks.send_invitation", invitation_id=str(invitation.pk))
    return invitation


@transaction.atomic
def revoke_invitation(*, actor: Actor, invitation_id: UUID) -> Invitation:
    """Its link is dead. Repeating it changes nothing; InvitationClosed once it was answered."""
    require(actor, "member.manage")
    invitation = _held(actor.organization_id, invitation_id)
    check_role(actor, invitation.role)
    if invitation.revoked_at is None:
        _refuse_closed(invitation, but="expired")
        retract(actor, invitation)
    return invitation


@transaction.atomic
def accept_invitation(*, user: User, invitation_id: UUID) -> Membership:
    """Join with the invited address, which the caller must be known to read.

    Who is a member by now keeps the role they have. Raises InvitationForAnother, InvitationClosed,
    OrganizationClosing.
    """
    invitation = _answered(user, invitation_id)
    refuse_while_closing(invitation.organization_id)
    row, new = enter(invitation.organization_id, user, invitation.role)
    actor = Actor(organization_id=row.organization_id, role=row.role, user_id=user.pk)
    for team in Team.objects.of(row.organization_id).filter(pk__in=invitation.teams):
        _join(team, row)
    invitation.accepted_at, invitation.accepted_by_id = now(), user.pk
    invitation.save(update_fields=["accepted_at", "accepted_by_id", "updated_at"])
    note_invitation("orgs.invitation.accepted", actor, invitation, role=row.role)
    if new:
        note_member("orgs.member.added", actor, row, role=row.role)
        tell_inviter(
            invitation, "joined", user=str(user.pk), who=user.get_full_name(), role=row.role
        )
    return row


def _join(team: Team, row: Membership) -> None:
    try:
        join_team(team, row)
    except AlreadyMember:
        return


@transaction.atomic
def decline_invitation(*, user: User, invitation_id: UUID) -> Invitation:
    invitation = _answered(user, invitation_id)
    invitation.declined_at = now()
    invitation.save(update_fields=["declined_at", "updated_at"])
    actor = Actor(organization_id=invitation.organization_id, user_id=user.pk)
    note_invitation("orgs.invitation.declined", actor, invitation)
    tell_inviter(invitation, "declined", user=str(user.pk))
    return invitation


def _answered(user: User, invitation_id: UUID) -> Invitation:
    """The invitation, open and locked, if it was sent to this person; else nobody learns of it."""
    if not user.is_active:
        raise PermissionRefused("This account is disabled.")
    seen = Invitation.objects.filter(pk=invitation_id).values("organization_id", "email").first()
    if seen is None:
        raise NotFound("There is no such invitation.")
    if seen["email"].lower() not in verified_addresses(user):
        raise InvitationForAnother("This invitation was sent to another address.")
    invitation = _held(seen["organization_id"], invitation_id)
    _refuse_closed(invitation)
    return invitation


def _held(organization_id: UUID, invitation_id: UUID) -> Invitation:
    _lock(organization_id)
    rows = Invitation.objects.of(organization_id).select_for_update()
    invitation = rows.filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound("There is no such invitation.")
    found: Invitation = invitation
    return found


def _lock(organization_id: UUID) -> None:
    Organization.objects.select_for_update().get(pk=organization_id)


def _refuse_closed(invitation: Invitation, but: str = "") -> None:
    if invitation.state not in {"open", but}:
        raise InvitationClosed("This invitation is not open any more.", state=invitation.state)


@transaction.atomic
def issue_secret(invitation_id: UUID) -> tuple[Invitation, str] | None:
    """The secret of a link that is about to be mailed; None when none is to be sent (any more).

    Of two callers at once one gets it. It is theirs for `SENDING`; `note_sent` ends that, and who
    never comes back leaves it to the next.
    """
    at = now()
    invitation = Invitation.objects.select_for_update().filter(pk=invitation_id).first()
    if invitation is None or invitation.sent_at is not None or invitation.state != "open":
        return None
    if invitation.sending_at is not None and invitation.sending_at > at - SENDING:
        return None
    secret = secrets.token_urlsafe(32)
    invitation.digest, invitation.sending_at = digest_of(secret), at
    invitation.save(update_fields=["digest", "sending_at"])
    return invitation, secret


def note_sent(invitation: Invitation) -> None:
    """The mail has left; nothing where another secret was made since."""
    rows = Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest)
    rows.update(sent_at=now(), sending_at=None)


def unsent_invitations(limit: int) -> list[UUID]:
    """Whose announcement was lost, which no mail server took, or whose sender died."""
    at = now()
    rows = Invitation.objects.all().open(at).filter(sent_at=None)
    late = Q(sending_at=None, updated_at__lt=at - LATE) | Q(sending_at__lte=at - SENDING)
    return list(rows.filter(late).order_by("pk").values_list("pk", flat=True)[:limit])


def digest_of(secret: str) -> str:
    return hashlib.sha256(f"invitation:{secret}".encode()).hexdigest()


def _expiry() -> datetime:
    return now() + timedelta(days=settings.INVITATION_DAYS)
