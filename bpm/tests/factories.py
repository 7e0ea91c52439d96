"""Rows and openings for bpm tests. `Handled` is a subject whose decisions are kept in a list."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from bpm import subjects
from bpm.actions import open_task
from orgs.tests.factories import actor_in

KIND = "bpm.trial"
MANAGERS = ["role:approver", "role:owner", "role:admin"]
ACTIONS = [
    {"id": "approve", "title": "Approve", "style": "primary"},
    {"id": "reject", "title": "Reject", "style": "danger"},
]
FORM = {
    "content": "Please **check** the refund.\n{{#$output.amount#}}\nThank you.",
    "inputs": [
        {"name": "amount", "type": "number", "label": "Amount", "required": True},
        {"name": "reason", "type": "select", "label": "Reason", "options": ["late", "broken"]},
        {"name": "urgent", "type": "checkbox", "label": "Urgent"},
        {"name": "note", "type": "paragraph", "label": "Note", "default": "none"},
    ],
}
_keys = count(1)


def make_actor(organization, role="approver"):
    return actor_in(organization, role)


def make_task(organization, **changes):
    given = {
        "kind": KIND,
        "subject_id": "subject-1",
        "title": "Refund for order 7",
        "idempotency_key": f"key-{next(_keys)}",
        "candidates": MANAGERS,
        "actions": ACTIONS,
        "snapshot": {"order": 7, "amount": "120.00"},
    }
    return open_task(organization_id=organization.pk, **given | changes)


class Handled(list):
    """Decisions in the order they arrived; `cancelled` holds withdrawn tasks."""

    def __init__(self):
        super().__init__()
        self.cancelled = []


@contextmanager
def handling(kind=KIND, *, fails=None) -> Iterator[Handled]:
    """Register `kind` for the length of a test; its handler raises `fails` when given."""
    handled = Handled()

    def decided(task, decision):
        handled.append((task, decision))
        if fails is not None:
            raise fails

    subjects.register(kind, decided, handled.cancelled.append, label="Trial")
    try:
        yield handled
    finally:
        subjects.forget(kind)
