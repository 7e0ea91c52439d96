"""Room for HOT updates: a run's row changes with every step (PostgreSQL only)."""

from django.db import migrations


def leave_room(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE workflows_run SET (fillfactor = 60)")


class Migration(migrations.Migration):
    dependencies = [("workflows", "0001_initial")]
    operations = [migrations.RunPython(leave_room, migrations.RunPython.noop, elidable=False)]
