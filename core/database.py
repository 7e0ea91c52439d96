"""What the hot paths need to know of the one database, whichever it is."""

from typing import Any

from django.db import connections
from psycopg.conninfo import make_conninfo


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
    )
