"""A database of many finished runs, copied from one that really ran.

Import it once the settings are chosen.
"""

from django.db import connections

from bench.engine.ours import Ours

TABLES = ("workflows_run", "workflows_step", "workflows_event")
COPIES = {
    # what differs in a copy; `base` is above every number in use
    "workflows_run": {"id": "{base} + g", "public_id": "gen_random_uuid()",
                      "trace_id": "md5(g::text)"},
    "workflows_step": {"id": "{base} + g * {each} + n", "run_id": "{base} + g"},
    "workflows_event": {"id": "{base} + g * {each} + n", "run_id": "{base} + g"},
}  # fmt: skip


def fill(ours: Ours, count: int) -> int:
    """Add `count` finished runs with all their steps and events; returns how many rows.

    Indexes are dropped before and built again after, which is three times as fast.
    """
    ours.go("short", 1)
    written = 0
    with connections[ours.using].cursor() as cursor:
        cursor.execute("SELECT max(id) FROM workflows_run")
        pattern = cursor.fetchone()[0]
        cursor.execute("SET session_replication_role = replica")  # no foreign keys are asked
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for table in TABLES:
            dropped = _drop_indexes(cursor, table)
            written += _copy(cursor, table, pattern, count)
            for statement in dropped:
                cursor.execute(statement)
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            )
            cursor.execute(f"VACUUM (ANALYZE) {table}")
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("CHECKPOINT")
    return written


def _copy(cursor: object, table: str, pattern: int, count: int) -> int:
    key = "id" if table == "workflows_run" else "run_id"
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table]
    )
    columns = [name for (name,) in cursor.fetchall()]
    cursor.execute(f"SELECT count(*) FROM {table} WHERE {key} = %s", [pattern])
    each = cursor.fetchone()[0]
    base = 10_000_000 if table != "workflows_run" else 1_000_000
    told = {name: text.format(base=1_000_000 if name == "run_id" else base, each=each)
            for name, text in COPIES[table].items()}  # fmt: skip
    values = ", ".join(told.get(name, f'one."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    cursor.execute(
        f"INSERT INTO {table} ({names}) SELECT {values} FROM generate_series(1, {count}) g,"
        f" (SELECT *, row_number() OVER (ORDER BY id) - 1 AS n FROM {table}"
        f" WHERE {key} = {pattern}) one ORDER BY g, n"
    )
    return each * count


def _drop_indexes(cursor: object, table: str) -> list[str]:
    """Returns the statements that bring them back."""
    cursor.execute(
        "SELECT i.indexrelid::regclass::text, c.conname, pg_get_indexdef(i.indexrelid),"
        " pg_get_constraintdef(c.oid) FROM pg_index i LEFT JOIN pg_constraint c"
        " ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid AND c.contype IN ('p', 'u')"
        " WHERE i.indrelid = %s::regclass",
        [table],
    )
    again = []
    for index, constraint, indexed, constrained in cursor.fetchall():
        if constraint:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint} CASCADE")
            again.append(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {constrained}")
        else:
            cursor.execute(f"DROP INDEX {index}")
            again.append(indexed)
    return again
