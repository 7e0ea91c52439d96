"""Scheduled upkeep of orgs."""

from celery import shared_task

from orgs.actions.answers import delete_old_answers as delete_answers


@shared_task
def delete_old_answers() -> None:
    """Answers kept for `Idempotency-Key` end after their day."""
    delete_answers()
