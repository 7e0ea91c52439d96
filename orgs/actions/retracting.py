"""Invitations that are taken back, by hand or because their sender may not invite any more."""

from collections.abc import Sequence
from uuid import UUID

from django.utils.timezone import now

from audit.actions import record
from orgs.access import Actor
from orgs.models import Invitation


def end_invitations(actor: Actor, user_id: UUID, roles: Sequence[str] | None = None) -> None:
    """Retract what `user_id` has sent and nobody answered: to `roles`, or without them to all."""
    rows = Invitation.objects.of(actor.organization_id).open(now()).filter(invited_by_id=user_id)
    if roles is not None:
        rows = rows.filter(role__in=roles)
    for invitation in rows.select_for_update().order_by("pk"):
        retract(actor, invitation)


def retract(actor: Actor, invitation: Invitation) -> None:
    """The row alone, which the caller has locked."""
    invitation.revoked_at = now()
    invitation.save(update_fields=["revoked_at", "updated_at"])
    note_invitation("orgs.invitation.revoked", actor, invitation)


def note_invitation(action: str, actor: Actor, invitation: Invitation, **data: object) -> None:
    record(
        action,
        actor=actor,
        target_type="invitation",
        target_id=invitation.pk,
        summary=invitation.email,
        data=data,
    )
