"""Scheduled upkeep of organizations. A task only finds rows and calls an action for each."""

import logging

from celery import shared_task

from audit.errors import ChainBroken
from orgs.actions.answers import delete_old_answers as delete_answers
from orgs.actions.audit import prune_trail
from orgs.models import Organization

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
