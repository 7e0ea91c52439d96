"""The security log is never rewritten, by force of the database; factors' secrets are encrypted.

SQLite remakes a table to alter it and forgets its triggers: a later migration that alters
SecurityEvent must make this one again (test_the_database_refuses_to_rewrite_an_event watches).
"""

from django.db import migrations

from core.append_only import append_only
from core.secrets import seal

PLACE = "mfa_authenticator|data"


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
        append_only(
            "accounts_securityevent",
            "UPDATE",
            function="accounts_append_only",
            what="security events",
        ),
        migrations.RunPython(encrypt_factors, migrations.RunPython.noop),
    ]
