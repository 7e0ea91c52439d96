"""Upkeep of organizations, and letters. A task only finds rows and calls an action for each."""

import logging

from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils.translation import gettext, override

from audit.errors import ChainBroken
from orgs.actions.answers import delete_old_answers as delete_answers
from orgs.actions.audit import prune_trail
from orgs.actions.reminders import keys_to_remind_of, remind_of_key
from orgs.models import Membership, Organization, Role, SupportAccess

logger = logging.getLogger(__name__)


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
            send_mail(subject, text, None, [address])


@shared_task(acks_late=True)
def remind_of_expiring_keys(limit: int = 500) -> int:
    """Write to the makers of keys that end within a week; safe to run twice at once."""
    return sum(remind_of_key(key_id=key_id) for key_id in keys_to_remind_of(limit))
