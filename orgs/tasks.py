"""Letters that go out, organizations that end, upkeep. Repeating any of these is harmless."""

import logging
import time
from uuid import UUID

from celery import shared_task
from django.utils.timezone import now

from accounts.mail import address, send_mail_to
from accounts.models import User
from audit.errors import ChainBroken
from core.errors import NotFound
from orgs.actions.answers import delete_old_answers as delete_answers
from orgs.actions.audit import prune_trail
from orgs.actions.closing import close_due, due_organizations
from orgs.actions.invitations import issue_secret, note_sent, unsent_invitations
from orgs.actions.reminders import keys_to_remind_of, remind_of_key
from orgs.models import Invitation, Organization

logger = logging.getLogger(__name__)
BUDGET = 20.0
"""Seconds one call spends on ending organizations or on mail; the next one goes on."""


@shared_task
def send_invitation(invitation_id: str) -> None:
    """Mail the link. Its secret is made here, so that no queue and no table ever holds it."""
    issued = issue_secret(UUID(invitation_id))
    if issued is None:
        return
    invitation, secret = issued
    try:
        _mail_invitation(invitation, secret)
    except OSError:  # every failure of a mail server is one
        logger.warning("An invitation was not mailed; it is tried again.", exc_info=True)
    else:
        note_sent(invitation)


def _mail_invitation(invitation: Invitation, secret: str) -> None:
    by = invitation.invited_by_id
    inviter = User.objects.filter(pk=by).first() if by else None
    context = {
        "organization": invitation.organization.name,
        "inviter": inviter.get_full_name() if inviter else "",
        "invitation": invitation,
        "email": invitation.email,
        "expires_at": invitation.expires_at,
        "link": address("invitation_link", secret),
    }
    send_mail_to("orgs/mail/invitation", invitation.email, context, invitation.language)


@shared_task
def tend_invitations() -> None:
    """Mail what its announcement was lost for, or what no mail server took."""
    until = time.monotonic() + BUDGET
    for pk in unsent_invitations(100):
        send_invitation(str(pk))
        if time.monotonic() > until:  # a mail server that hangs must not hold the worker
            return


@shared_task
def close_organizations() -> None:
    """Step after step for what is due, within the budget; the next call goes on where it stood."""
    until = time.monotonic() + BUDGET
    for pk in due_organizations(now()):
        try:
            while close_due(pk):
                if time.monotonic() > until:
                    return
        except NotFound:
            continue  # kept at the last moment
        except Exception:
            # One that cannot end must not keep the others from it.
            logger.exception("Organization %s could not be closed further.", pk)


@shared_task(acks_late=True)
def prune_audit() -> int:
    """Drop audit entries that are older than their organization keeps; returns how many."""
    dropped = 0
    for organization in Organization.objects.exclude(audit_retention_days=None).order_by("pk"):
        try:
            dropped += prune_trail(organization)
        except ChainBroken:  # nothing is dropped that could be evidence
            logger.exception("Not pruned", extra={"organization": str(organization.pk)})
    return dropped


@shared_task
def delete_old_answers() -> None:
    """Answers kept for `Idempotency-Key` end after their day."""
    delete_answers()


@shared_task(acks_late=True)
def remind_of_expiring_keys(limit: int = 500) -> int:
    """Write to the makers of keys that end within a week; safe to run twice at once."""
    return sum(remind_of_key(key_id=key_id) for key_id in keys_to_remind_of(limit))
