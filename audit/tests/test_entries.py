"""The trail: written with what it tells of, kept as it was written."""

import pytest
from django.db import DatabaseError, transaction

from audit.actions import record
from audit.models import Entry
from core.ids import uuid7
from orgs.access import Actor, system_actor

pytestmark = pytest.mark.django_db


def entry_of(actor, **changes):
    given = {"target_type": "thing", "target_id": "1", "summary": "done"}
    return record("trial.done", actor=actor, **given | changes)


@pytest.mark.parametrize(
    ("who", "kind"),
    [({"user_id": uuid7()}, "user"), ({"api_key_id": uuid7()}, "key"), ({}, "system")],
)
def test_an_entry_names_who_acted(who, kind):
    entry = entry_of(Actor(organization_id=uuid7(), **who))

    assert entry.actor_kind == kind
    assert entry.actor_id == next(iter(who.values()), None)
    assert len(entry.trace_id) == 32


def test_no_write_fails_for_the_words_in_its_entry():
    entry = entry_of(system_actor(uuid7()), summary="a\x00\ud800" * 200, data={"said": "\x00"})

    entry.refresh_from_db()
    assert len(entry.summary) == 300
    assert "\x00" not in entry.summary + entry.data["said"]


def test_the_database_refuses_to_rewrite_an_entry():
    entry = entry_of(system_actor(uuid7()))

    for rewrite in (
        lambda: Entry.objects.filter(pk=entry.pk).update(summary="other"),
        lambda: Entry(pk=entry.pk, organization_id=uuid7(), action="x").save(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            rewrite()

    entry.refresh_from_db()
    assert entry.summary == "done"
