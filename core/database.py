"""What the hot paths need to know of the one database, whichever it is."""

from typing import Any

from django.db import connections
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
