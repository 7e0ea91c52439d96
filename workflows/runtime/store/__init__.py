"""Where runs live. One interface, one module per database."""

from core.database import is_postgres
from workflows.runtime.store.base import RunStore
from workflows.runtime.store.postgres import PostgresStore
from workflows.runtime.store.sqlite import SqliteStore

__all__ = ["RunStore", "open_store"]


def open_store() -> RunStore:
    """A store for the running event loop; close it there."""
    return PostgresStore() if is_postgres() else SqliteStore()
