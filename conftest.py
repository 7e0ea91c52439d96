"""Fixtures every suite needs."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase

from core.trace import tracing

KEPT = {"django_content_type", "auth_permission"}
"""Made by `migrate` and the same for every test."""


@pytest.fixture(autouse=True)
def _fresh_surroundings() -> Iterator[None]:
    """A trace id or a cached bell of one test must not be found by the next."""
    cache.clear()
    with tracing(""):
        yield


@pytest.fixture(scope="session", autouse=True)
def _empty_tables_quickly() -> Iterator[None]:
    """After a test that commits, delete what is in the tables instead of truncating all of them.

    Django's flush takes up to a second on PostgreSQL and makes every permission anew. On SQLite it
    also fails on tables whose triggers (`…append_only…`) refuse DELETE.
    """
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: empty_tables())
    yield
    patch.undo()


def empty_tables() -> None:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    deletes = [f'DELETE FROM "{name}"' for name in sorted(set(names) - KEPT)]  # noqa: S608 - our own tables
    if connection.vendor == "postgresql":
        _empty_postgresql(deletes)
    else:
        _empty_sqlite(deletes)


def _empty_postgresql(deletes: list[str]) -> None:
    """A replica checks no foreign keys and fires no triggers; needs a superuser, as tests have."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            cursor.execute(";".join(deletes))
        finally:
            cursor.execute("SET session_replication_role = origin")


def _empty_sqlite(deletes: list[str]) -> None:
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE type = 'trigger' AND name LIKE '%append_only%'"
        )
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
        for delete in deletes:
            cursor.execute(delete)
        for _, sql in triggers:
            cursor.execute(sql)
