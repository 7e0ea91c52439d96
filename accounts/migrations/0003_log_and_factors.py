"""The security log is never rewritten, by force of the database; factors' secrets are encrypted.

SQLite remakes a table to alter it and forgets its triggers: a later migration that alters
SecurityEvent must make this one again (test_the_database_refuses_to_rewrite_an_event watches).
"""

from django.db import migrations

from core.secrets import seal

PLACE = "mfa_authenticator|data"
POSTGRES = [
    """
    CREATE FUNCTION accounts_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'security events are append-only'; END $$
    """,
    """
    CREATE TRIGGER accounts_securityevent_append_only BEFORE UPDATE ON accounts_securityevent
    FOR EACH ROW EXECUTE FUNCTION accounts_append_only()
    """,
]
POSTGRES_BACK = [
    "DROP TRIGGER accounts_securityevent_append_only ON accounts_securityevent",
    "DROP FUNCTION accounts_append_only()",
]
SQLITE = [
    """
    CREATE TRIGGER accounts_securityevent_append_only BEFORE UPDATE ON accounts_securityevent
    BEGIN SELECT RAISE(ABORT, 'security events are append-only'); END
    """
]
SQLITE_BACK = ["DROP TRIGGER accounts_securityevent_append_only"]


def run(postgres, sqlite):
    def apply(apps, schema_editor):
        vendor = schema_editor.connection.vendor
        for statement in postgres if vendor == "postgresql" else sqlite:
            schema_editor.execute(statement)

    return apply


def encrypt_factors(apps, schema_editor):
    for row in apps.get_model("mfa", "Authenticator").objects.exclude(type="webauthn"):
        for name in ("secret", "seed"):
            value = row.data.get(name)
            if value and ":" not in value:  # neither base32 nor hex has one
                row.data[name] = seal(value, PLACE)
        row.save(update_fields=["data"])


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_people_tokens_security"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]
    operations = [
        migrations.RunPython(run(POSTGRES, SQLITE), run(POSTGRES_BACK, SQLITE_BACK)),
        migrations.RunPython(encrypt_factors, migrations.RunPython.noop),
    ]
