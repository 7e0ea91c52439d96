"""Migrations that keep rows as they were written, by force of the database.

Migrations of the past call these functions: for the same arguments they must always give the same
statements. SQLite remakes a table to alter it and forgets its triggers, so a later migration that
alters a guarded table calls them again; each room has a test that watches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython


def per_database(
    *,
    postgres: Sequence[str],
    postgres_back: Sequence[str],
    sqlite: Sequence[str] = (),
    sqlite_back: Sequence[str] = (),
) -> RunPython:
    """Statements for the one database or the other, and those that undo them."""
    return RunPython(_running(postgres, sqlite), _running(postgres_back, sqlite_back))


def _running(
    postgres: Sequence[str], sqlite: Sequence[str]
) -> Callable[[Apps, BaseDatabaseSchemaEditor], None]:
    def run(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        for statement in postgres if schema_editor.connection.vendor == "postgresql" else sqlite:
            schema_editor.execute(statement, params=None)  # None: a % in it is meant as it stands

    return run


def append_only(table: str, *events: str, function: str, what: str) -> RunPython:
    """Refuse `events` ("UPDATE", "DELETE") on every row of `table`; `what` names them in the error.

    `function` is PostgreSQL's, made here: one per migration.
    """
    message = f"{what} are append-only"
    trigger = f"{table}_append_only"
    names = [trigger] if len(events) == 1 else [f"{trigger}_{each.lower()}" for each in events]
    return per_database(
        postgres=[
            postgres_function(function, f"RAISE EXCEPTION '{message}';"),
            postgres_trigger(table, " OR ".join(events), function),
        ],
        postgres_back=[f"DROP TRIGGER {trigger} ON {table}", f"DROP FUNCTION {function}()"],
        sqlite=[
            sqlite_trigger(name, table, event, message)
            for name, event in zip(names, events, strict=True)
        ],
        sqlite_back=[f"DROP TRIGGER {name}" for name in names],
    )


def postgres_function(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"


def postgres_trigger(table: str, event: str, function: str) -> str:
    """A guard of rows; TRUNCATE has none, so there it guards the statement."""
    truncates = event == "TRUNCATE"
    name = f"{table}_append_only_truncate" if truncates else f"{table}_append_only"
    each = "STATEMENT" if truncates else "ROW"
    return (
        f"CREATE TRIGGER {name} BEFORE {event} ON {table}"
        f" FOR EACH {each} EXECUTE FUNCTION {function}()"
    )


def sqlite_trigger(name: str, table: str, event: str, message: str, unless: str = "") -> str:
    """A guard of rows that lets through those of which `unless`, an expression, is true."""
    when = f" WHEN NOT ({unless})" if unless else ""
    return (
        f"CREATE TRIGGER {name} BEFORE {event} ON {table}{when}"
        f" BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )
