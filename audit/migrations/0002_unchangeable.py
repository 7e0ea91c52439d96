"""An audit entry is never rewritten, by force of the database. Retention may still drop old ones.

SQLite remakes a table to alter it and forgets its triggers: a later migration that alters Entry
must make this one again (test_the_database_refuses_to_rewrite_an_entry watches).
"""

from django.db import migrations

POSTGRES = [
    """
    CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'audit entries are append-only'; END $$
    """,
    """
    CREATE TRIGGER audit_entry_append_only BEFORE UPDATE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_append_only()
    """,
]
POSTGRES_BACK = [
    "DROP TRIGGER audit_entry_append_only ON audit_entry",
    "DROP FUNCTION audit_append_only()",
]
SQLITE = [
    """
    CREATE TRIGGER audit_entry_append_only BEFORE UPDATE ON audit_entry
    BEGIN SELECT RAISE(ABORT, 'audit entries are append-only'); END
    """
]
SQLITE_BACK = ["DROP TRIGGER audit_entry_append_only"]


def run(postgres, sqlite):
    def apply(apps, schema_editor):
        vendor = schema_editor.connection.vendor
        for statement in postgres if vendor == "postgresql" else sqlite:
            schema_editor.execute(statement)

    return apply


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(run(POSTGRES, SQLITE), run(POSTGRES_BACK, SQLITE_BACK))]
