"""Letters that go out, organizations that end, upkeep. Repeating any of these is harmless."""

import logging
import time
from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils.timezone import now
from django.utils.translation import gettext, override

from accounts.models import User
from audit.errors import ChainBroken
from core.errors import NotFound
from orgs.actions.answers import delete_old_answers as delete_answers
from orgs.actions.audit import prune_trail
from orgs.actions.closing import close_due, due_organizations
from orgs.actions.invitations import forget_sending, issue_secret
from orgs.actions.reminders import keys_to_remind_of, remind_of_key
from orgs.mail import address, one_line, send_letter
from orgs.models import Invitation, Membership, Organization, Role, SupportAccess

logger = logging.getLogger(__name__)
LATE = timedelta(minutes=2)
BUDGET = 20.0
"""Seconds one call spends on ending organizations; the next one goes on."""


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
        forget_sending(invitation.pk)
        logger.warning("An invitation was not mailed; it is tried again.", exc_info=True)


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
    send_letter("invitation", invitation.email, context, invitation.language)


@shared_task
def tend_invitations() -> None:
    """Mail what its announcement was lost for, or what no mail server took."""
    rows = Invitation.objects.all().open(now()).filter(sent_at=None, updated_at__lt=now() - LATE)
    for pk in rows.order_by("pk").values_list("pk", flat=True)[:100]:
        send_invitation(str(pk))


@shared_task
def tell_new_owner(membership_id: str, by_id: str) -> None:
    row = Membership.objects.filter(pk=membership_id).select_related("user", "organization").first()
    if row is None or row.role != "owner":
        return
    context = {
        "organization": row.organization.name,
        "by": _name(by_id),
        "link": address("organization_settings"),
    }
    send_letter("ownership", row.user.email, context, _language(row.user))


@shared_task
def tell_owners(organization_id: str, what: str, by_id: str) -> None:
    """`what`: "closing" or "kept"."""
    organization = Organization.objects.get(pk=organization_id)
    context = {
        "organization": organization.name,
        "by": _name(by_id),
        "at": organization.closing_at,
        "link": address("organization_danger"),
    }
    owners = Membership.objects.owners_of(organization.pk).filter(user__is_active=True)
    for row in owners.select_related("user"):
        send_letter(what, row.user.email, context, _language(row.user))


def _name(user_id: str) -> str:
    user = User.objects.filter(pk=user_id).first() if user_id else None
    return user.get_full_name() if user else ""


def _language(user: User) -> str:
    return str(getattr(user, "language", "") or "")


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


@shared_task
def tell_of_support(stay_id: str) -> None:
    """Tell every owner that an operator came in, why and for how long."""
    stay = SupportAccess.objects.select_related("organization", "operator").get(pk=stay_id)
    owners = Membership.objects.of(stay.organization_id).filter(
        role=Role.OWNER, user__is_active=True
    )
    with override(settings.LANGUAGE_CODE):
        subject = gettext("Support has entered %(name)s") % {"name": stay.organization.name}
        text = render_to_string("orgs/mail/support.txt", {"stay": stay})
        for address in owners.values_list("user__email", flat=True):
            send_mail(one_line(subject), text, None, [address])


@shared_task(acks_late=True)
def remind_of_expiring_keys(limit: int = 500) -> int:
    """Write to the makers of keys that end within a week; safe to run twice at once."""
    return sum(remind_of_key(key_id=key_id) for key_id in keys_to_remind_of(limit))
