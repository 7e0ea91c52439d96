"""A database of PostgreSQL that exists for one measurement."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlparse, urlunparse

import django
import psycopg
from django.core.management import call_command
from django.db import connections

SERVER = os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")


@contextmanager
def throwaway(name: str, redis_url: str = "") -> Iterator[dict[str, str]]:
    """Create database `name`, point the product at it, migrate; drop it at the end.

    Yields what of the server decides the figures. Without `redis_url` Redis is left out: nothing
    but the database and the process is to be measured.
    """
    with tempfile.TemporaryDirectory() as data, psycopg.connect(SERVER, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            os.environ |= {
                "DATABASE_URL": urlunparse(urlparse(SERVER)._replace(path=f"/{name}")),
                "DATA_DIR": data,
                "LOG_LEVEL": "WARNING",
                "DJANGO_SETTINGS_MODULE": "config.settings.base",
            }
            os.environ.pop("REDIS_URL", None)
            if redis_url:
                os.environ["REDIS_URL"] = redis_url
            django.setup()
            call_command("migrate", verbosity=0)
            yield {setting: _shown(admin, setting) for setting in _SETTINGS}
        finally:
            _let_go()
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


_SETTINGS = ("server_version", "synchronous_commit", "fsync")


def _shown(admin: psycopg.Connection, setting: str) -> str:
    row = admin.execute(f"SHOW {setting}").fetchone()
    return str(row[0]) if row else ""


def _let_go() -> None:
    connections.close_all()
    connections["default"].close_pool()
