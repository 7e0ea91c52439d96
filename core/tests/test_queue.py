"""What is announced after a commit may be lost; the caller's work is durable by then."""

import pytest
from django.db import transaction

from core.queue import enqueue

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_cannot_be_announced_does_not_fail_the_caller(caplog):
    with transaction.atomic():
        enqueue("workflows.tasks.pump", thing=object())  # no broker takes it

    assert "announce" in caplog.text
