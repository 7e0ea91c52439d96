"""Fixtures every suite needs."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from core.trace import tracing


@pytest.fixture(autouse=True)
def _fresh_surroundings() -> Iterator[None]:
    """A trace id or a cached bell of one test must not be found by the next."""
    cache.clear()
    with tracing(""):
        yield


@pytest.fixture(autouse=True)
def _empty_append_only_tables(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that commits: empty what the flush could not.

    SQLite flushes with DELETE, which the triggers named `…append_only…` refuse. They are taken
    down for that moment only.
    """
    mark = request.node.get_closest_marker("django_db")
    commits = mark is not None and mark.kwargs.get("transaction")
    if commits:
        request.getfixturevalue("_django_db_helper")  # so that this one is torn down before it
    yield
    if commits or "transactional_db" in request.fixturenames:
        _empty()


def _empty() -> None:
    from django.db import connection  # noqa: PLC0415 - after the settings are chosen

    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, tbl_name, sql FROM sqlite_master"
            " WHERE type = 'trigger' AND name LIKE '%append_only%'"
        )
        triggers = cursor.fetchall()
        for name, _, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
        for table in {table for _, table, _ in triggers}:
            cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 - names from the catalog
        for _, _, sql in triggers:
            cursor.execute(sql)
