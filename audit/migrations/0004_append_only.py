"""The trail is append-only by force of the database: entries, seals, which lies where, and heads.

Two things are let through. A seal may be marked as pruned, once. Rows of a pruned seal may be
deleted: on PostgreSQL only in a transaction that says so (`loomwork.audit_retention`), on SQLite,
where no setting belongs to a transaction, by the mark alone. Whether the mark itself is retention's
the signed head says (`verify_audit`).

SQLite remakes a table to alter it and forgets its triggers: a later migration that alters one of
these tables must make them again (test_the_database_refuses_to_rewrite_the_trail watches).
"""

from django.db import migrations

from core.append_only import per_database, postgres_function, postgres_trigger, sqlite_trigger

TABLES = ("audit_entry", "audit_seal", "audit_sealedentry", "audit_chain")
SEAL = (
    "id", "organization_id", "number", "count", "first_id", "last_id", "last_at", "content",
    "previous", "digest", "sealed_at",
)  # fmt: skip

RULE = """
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
"""
POSTGRES = [
    postgres_function("audit_append_only", RULE),
    *(postgres_trigger(each, "UPDATE OR DELETE", "audit_append_only") for each in TABLES[:3]),
    postgres_trigger("audit_chain", "DELETE", "audit_append_only"),
    *(postgres_trigger(each, "TRUNCATE", "audit_append_only") for each in TABLES),
]
POSTGRES_BACK = [
    *(f"DROP TRIGGER {table}_append_only ON {table}" for table in TABLES),
    *(f"DROP TRIGGER {table}_append_only_truncate ON {table}" for table in TABLES),
    "DROP FUNCTION audit_append_only()",
]


def refuse(event, table, unless=""):
    name = f"{table}_append_only_{event}"
    return sqlite_trigger(name, table, event, "the audit trail is append-only", unless)


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
        per_database(
            postgres=POSTGRES, postgres_back=POSTGRES_BACK, sqlite=SQLITE, sqlite_back=SQLITE_BACK
        ),
    ]
