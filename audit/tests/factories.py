"""Entries, and what an intruder with the database's password could do to them."""

from contextlib import contextmanager

from django.db import connection, transaction

from audit.actions import record
from core.ids import uuid7
from orgs.access import Actor, system_actor


def trail(count=3, organization_id=None):
    """Entries of one organization, all by the system."""
    actor = system_actor(organization_id or uuid7())
    return [entry_of(actor, target_id=str(n)) for n in range(count)]


def entry_of(actor, name="trial.done", **changes):
    given = {"target_type": "thing", "target_id": "1", "summary": "done"}
    return record(name, actor=actor, **given | changes)


def person(organization_id=None):
    return Actor(organization_id=organization_id or uuid7(), user_id=uuid7())


@contextmanager
def no_triggers():
    """As a superuser of the database works: past every trigger."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
            yield cursor
            cursor.execute("SET LOCAL session_replication_role = origin")
            return
        cursor.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE type = 'trigger' AND name LIKE '%append_only%'"
        )
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
        yield cursor
        for _, sql in triggers:
            cursor.execute(sql)
