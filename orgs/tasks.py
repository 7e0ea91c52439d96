"""Scheduled upkeep of orgs. A task only finds ids and calls an action for each."""

from celery import shared_task

from orgs.actions.reminders import keys_to_remind_of, remind_of_key


@shared_task(acks_late=True)
def remind_of_expiring_keys(limit: int = 500) -> int:
    """Write to the makers of keys that end within a week; safe to run twice at once."""
    return sum(remind_of_key(key_id=key_id) for key_id in keys_to_remind_of(limit))
