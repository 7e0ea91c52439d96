"""An audit entry is never rewritten, by force of the database. Retention may still drop old ones.

SQLite remakes a table to alter it and forgets its triggers: a later migration that alters Entry
must make this one again (test_the_database_refuses_to_rewrite_an_entry watches).
"""

from django.db import migrations

from core.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [
        append_only("audit_entry", "UPDATE", function="audit_append_only", what="audit entries")
    ]
