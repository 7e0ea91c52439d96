"""Exports in the background. A lost message is harmless: the sweep rings again."""

from uuid import UUID

from celery import shared_task

from files.actions import expire_exports, hand_back_exports, run_export


@shared_task
def export(export_id: str) -> bool:
    return run_export(export_id=UUID(export_id))


@shared_task(acks_late=True)
def sweep() -> int:
    """Hand back what dead workers left and take away what has expired."""
    return hand_back_exports() + expire_exports()
