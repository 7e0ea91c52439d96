"""The trail is append-only by force of the database: entries, seals, which lies where, and heads.

Two things are let through. A seal may be marked as pruned, once. Rows of a pruned seal may be
deleted: on PostgreSQL only in a transaction that says so (`loomwork.audit_retention`), on SQLite,
where no setting belongs to a transaction, by the mark alone. Whether the mark itself is retention's
the signed head says (`verify_audit`).

SQLite remakes a table to alter it and forgets its triggers: a later migration that alters one of
these tables must make them again (test_the_database_refuses_to_rewrite_the_trail watches).
"""

from django.db import migrations

TABLES = ("audit_entry", "audit_seal", "audit_sealedentry", "audit_chain")
SEAL = (
    "id", "organization_id", "number", "count", "first_id", "last_id", "last_at", "content",
    "previous", "digest", "sealed_at",
)  # fmt: skip

POSTGRES = [
    """
    CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' AND current_setting('loomwork.audit_retention', true) = 'on' THEN
        IF TG_TABLE_NAME = 'audit_entry' AND EXISTS (
          SELECT 1 FROM audit_sealedentry e JOIN audit_seal s ON s.id = e.seal_id
          WHERE e.entry_id = (to_jsonb(OLD)->>'id')::bigint AND s.pruned_at IS NOT NULL
        ) THEN RETURN OLD; END IF;
        IF TG_TABLE_NAME = 'audit_sealedentry' AND EXISTS (
          SELECT 1 FROM audit_seal s
          WHERE s.id = (to_jsonb(OLD)->>'seal_id')::bigint AND s.pruned_at IS NOT NULL
        ) THEN RETURN OLD; END IF;
      END IF;
      IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'audit_seal' THEN
        IF to_jsonb(OLD)->>'pruned_at' IS NULL AND to_jsonb(NEW)->>'pruned_at' IS NOT NULL
          AND to_jsonb(OLD) - 'pruned_at' = to_jsonb(NEW) - 'pruned_at'
        THEN RETURN NEW; END IF;
      END IF;
      RAISE EXCEPTION 'the audit trail is append-only: no % of %', TG_OP, TG_TABLE_NAME;
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION audit_append_only()
        """
        for table in TABLES[:3]
    ),
    """
    CREATE TRIGGER audit_chain_append_only BEFORE DELETE ON audit_chain
    FOR EACH ROW EXECUTE FUNCTION audit_append_only()
    """,
    *(
        f"""
        CREATE TRIGGER {table}_append_only_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()
        """
        for table in TABLES
    ),
]
POSTGRES_BACK = [
    *(f"DROP TRIGGER {table}_append_only ON {table}" for table in TABLES),
    *(f"DROP TRIGGER {table}_append_only_truncate ON {table}" for table in TABLES),
    "DROP FUNCTION audit_append_only()",
]


def refuse(event, table, unless=""):
    when = f"WHEN NOT ({unless})" if unless else ""
    return f"""
    CREATE TRIGGER {table}_append_only_{event} BEFORE {event} ON {table} {when}
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
    """


SQLITE = [
    refuse("update", "audit_entry"),
    refuse(
        "delete",
        "audit_entry",
        "EXISTS (SELECT 1 FROM audit_sealedentry e JOIN audit_seal s ON s.id = e.seal_id"
        " WHERE e.entry_id = OLD.id AND s.pruned_at IS NOT NULL)",
    ),
    refuse("update", "audit_sealedentry"),
    refuse(
        "delete",
        "audit_sealedentry",
        "EXISTS (SELECT 1 FROM audit_seal s"
        " WHERE s.id = OLD.seal_id AND s.pruned_at IS NOT NULL)",
    ),
    refuse(
        "update",
        "audit_seal",
        "OLD.pruned_at IS NULL AND NEW.pruned_at IS NOT NULL AND "
        + " AND ".join(f'OLD."{name}" IS NEW."{name}"' for name in SEAL),
    ),
    refuse("delete", "audit_seal"),
    refuse("delete", "audit_chain"),
]
SQLITE_BACK = [
    f"DROP TRIGGER IF EXISTS {table}_append_only_{event}"
    for table in TABLES
    for event in ("update", "delete")
]


def run(postgres, sqlite):
    def apply(apps, schema_editor):
        vendor = schema_editor.connection.vendor
        for statement in postgres if vendor == "postgresql" else sqlite:
            schema_editor.execute(statement, params=None)

    return apply


def fill(apps, schema_editor):
    find = "strpos" if schema_editor.connection.vendor == "postgresql" else "instr"
    schema_editor.execute(
        f"UPDATE audit_entry SET category = substr(action, 1, {find}(action, '.') - 1)"  # nosec B608 # two names
        " WHERE category = ''"
    )
    schema_editor.execute("UPDATE audit_entry SET api_key_id = actor_id WHERE actor_kind = 'key'")


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_seals")]
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunPython(run(POSTGRES, SQLITE), run(POSTGRES_BACK, SQLITE_BACK)),
    ]
