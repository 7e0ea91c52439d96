"""What the hot paths need to know of the one database, whichever it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, connections
from django.utils.timezone import now
from psycopg.conninfo import make_conninfo

TLS = ("ssl", "channel_binding")


def is_postgres() -> bool:
    return connections["default"].vendor == "postgresql"


def conninfo() -> str:
    """Libpq's connection string of the default database, read now: tests rename theirs."""
    options: dict[str, Any] = connections["default"].settings_dict
    return make_conninfo(
        dbname=options["NAME"],
        user=options["USER"] or None,
        password=options["PASSWORD"] or None,
        host=options["HOST"] or None,
        port=options["PORT"] or None,
        **tls_options(),
    )


def tls_options() -> dict[str, str]:
    """What the URL of the database asks of TLS, by libpq's names (`sslmode`, `sslrootcert`)."""
    given: dict[str, Any] = connections["default"].settings_dict.get("OPTIONS", {})
    return {name: value for name, value in given.items() if name.startswith(TLS)}


def database_now() -> datetime:
    """The time by the one clock that all hosts share; embedded that is the host's own."""
    if not is_postgres():
        return now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at: datetime = cursor.fetchone()[0]
    return at


def lock_name(name: str) -> None:
    """Wait for the lock of this name and hold it to the end of the transaction.

    SQLite has one writer at a time, and our transactions begin as writers.
    """
    if is_postgres():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Whether nobody else is inside under this name, in any process; true on SQLite."""
    if not is_postgres():
        yield True
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,))
        held: bool = cursor.fetchone()[0]
    try:
        yield held
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
