"""The only way rules put work on the queue: by task name, after commit."""

from typing import Any

from celery import current_app
from django.db import transaction


def enqueue(name: str, **kwargs: Any) -> None:
    """Send task `name` once the surrounding transaction commits; never when it rolls back.

    A broker that is away must not fail the caller, whose work is already durable: the sweeper
    finds what was not announced.
    """

    def announce() -> None:  # a partial has no name, and Django logs a failing callback by its name
        send(name, kwargs)

    transaction.on_commit(announce, robust=True)


def send(name: str, kwargs: dict[str, Any]) -> None:
    current_app.send_task(name, kwargs=kwargs, ignore_result=True, retry=False)
