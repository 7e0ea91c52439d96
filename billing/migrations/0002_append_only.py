"""The ledger is append-only by force of the database; wallets leave room for in-place updates.

SQLite remakes a table to alter it and forgets its triggers: a later migration that alters
LedgerEntry must make these again (test_the_database_refuses_to_rewrite_the_ledger watches).
"""

from django.db import migrations

from core.append_only import append_only, per_database


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [
        append_only(
            "billing_ledgerentry",
            "UPDATE",
            "DELETE",
            function="billing_append_only",
            what="ledger entries",
        ),
        # Balances change with every call: half-empty pages keep those updates in place (HOT).
        per_database(
            postgres=["ALTER TABLE billing_wallet SET (fillfactor = 50)"],
            postgres_back=["ALTER TABLE billing_wallet RESET (fillfactor)"],
        ),
    ]
