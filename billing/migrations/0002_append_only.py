"""The ledger is append-only by force of the database; wallets leave room for in-place updates.

SQLite remakes a table to alter it and forgets its triggers: a later migration that alters
LedgerEntry must make these again (test_the_database_refuses_to_rewrite_the_ledger watches).
"""

from django.db import migrations

POSTGRES = [
    """
    CREATE FUNCTION billing_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'ledger entries are append-only'; END $$
    """,
    """
    CREATE TRIGGER billing_ledgerentry_append_only BEFORE UPDATE OR DELETE ON billing_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION billing_append_only()
    """,
    # Balances change with every call: half-empty pages keep those updates in place (HOT).
    "ALTER TABLE billing_wallet SET (fillfactor = 50)",
]
POSTGRES_BACK = [
    "DROP TRIGGER billing_ledgerentry_append_only ON billing_ledgerentry",
    "DROP FUNCTION billing_append_only()",
    "ALTER TABLE billing_wallet RESET (fillfactor)",
]
SQLITE = [
    f"""
    CREATE TRIGGER billing_ledgerentry_append_only_{event} BEFORE {event} ON billing_ledgerentry
    BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END
    """
    for event in ("update", "delete")
]
SQLITE_BACK = [
    f"DROP TRIGGER billing_ledgerentry_append_only_{event}" for event in ("update", "delete")
]


def run(postgres, sqlite):
    def apply(apps, schema_editor):
        vendor = schema_editor.connection.vendor
        for statement in postgres if vendor == "postgresql" else sqlite:
            schema_editor.execute(statement)

    return apply


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [migrations.RunPython(run(POSTGRES, SQLITE), run(POSTGRES_BACK, SQLITE_BACK))]
