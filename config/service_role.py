"""Two roles in PostgreSQL: the owner migrates, the service role serves, with the least of rights.

The service role reads and writes rows and can neither make, alter nor truncate a table. Of tables
that only grow it has not even the right to update or delete what retention leaves alone, so the
triggers that forbid it are the second lock, and one that this role cannot take off.
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model
from psycopg import Cursor, sql

from accounts.models import SecurityEvent
from audit.models import Chain, Entry, Seal, SealedEntry
from billing.models import LedgerEntry

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
GROWING: dict[type[Model], tuple[str, ...]] = {
    LedgerEntry: ("UPDATE", "DELETE"),
    Entry: ("UPDATE",),  # deleted by retention, as are the next and people's security log
    SealedEntry: ("UPDATE",),
    SecurityEvent: ("UPDATE",),
    Seal: ("DELETE",),  # updated once, when it is pruned
    Chain: ("DELETE",),  # its head moves
}
"""What the service role may not do with tables that only grow."""


class RoleUnfitError(ValueError):
    """The role is the owner itself, a superuser, or owns something."""


def grant_service_role(role: str, password: str) -> None:
    """Make the role if it is missing, set its password and rights anew. Repeatable.

    Without a password ("") it has none, and comes in by certificate or not at all.

    Run it as the owner, after every `migrate`: rights are given for the tables there are. Needs
    PostgreSQL. Raises RoleUnfitError.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    with transaction.atomic(), connection.cursor() as wrapped:
        cursor: Cursor[Any] = wrapped.cursor
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('loomwork.service_role'))")
        _ensure_role(cursor, role, password)
        _grant(cursor, role, str(connection.settings_dict["NAME"]))


def _ensure_role(cursor: Cursor[Any], role: str, password: str) -> None:
    cursor.execute(
        "SELECT rolsuper OR rolname = current_user OR EXISTS (SELECT 1 FROM pg_class c"
        " WHERE c.relowner = r.oid) FROM pg_roles r WHERE rolname = %s",
        [role],
    )
    found = cursor.fetchone()
    if found and found[0]:
        raise RoleUnfitError(f"{role} is an owner or a superuser; name another.")
    # Hashed here: the server's log of statements would show it otherwise.
    encrypt = cursor.connection.pgconn.encrypt_password
    hashed = password and encrypt(password.encode(), role.encode(), b"scram-sha-256").decode()
    cursor.execute(
        sql.SQL(
            "{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
            " PASSWORD {}"
        ).format(
            sql.SQL("ALTER" if found else "CREATE"),
            sql.Identifier(role),
            sql.Literal(hashed or None),
        )
    )


def _grant(cursor: Cursor[Any], role: str, database: str) -> None:
    named = {"role": sql.Identifier(role), "database": sql.Identifier(database)}
    for statement in (
        "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "REVOKE ALL ON DATABASE {database} FROM {role}",
        "REVOKE ALL ON SCHEMA public FROM {role}",
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        "REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {role}",
        "GRANT CONNECT ON DATABASE {database} TO {role}",
        "GRANT USAGE ON SCHEMA public TO {role}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
    ):
        cursor.execute(sql.SQL(statement).format(**named))
    for table, rights in _rights(cursor).items():
        granted = sql.SQL(", ").join(map(sql.SQL, rights))
        cursor.execute(
            sql.SQL("GRANT {} ON TABLE {} TO {role}").format(
                granted, sql.Identifier(table), **named
            )
        )


def _rights(cursor: Cursor[Any]) -> dict[str, tuple[str, ...]]:
    """Table to what the service role may do with its rows."""
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    refused = {model._meta.db_table: rights for model, rights in GROWING.items()}
    refused[MigrationRecorder.Migration._meta.db_table] = ("INSERT", "UPDATE", "DELETE")
    return {
        table: tuple(right for right in RIGHTS if right not in refused.get(table, ()))
        for (table,) in cursor.fetchall()
    }
