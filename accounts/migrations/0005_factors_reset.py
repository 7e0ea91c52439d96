from django.db import migrations, models

KINDS = [
    ("signed_up", "Account made"),
    ("signed_in", "Signed in"),
    ("sign_in_failed", "Sign-in failed"),
    ("signed_out", "Signed out"),
    ("factor_failed", "Second factor failed"),
    ("factor_added", "Second factor added"),
    ("factor_removed", "Second factor removed"),
    ("codes_renewed", "Recovery codes made anew"),
    ("factors_reset", "Second factors reset by an operator"),
    ("password_changed", "Password changed"),
    ("password_reset", "Password reset by mail"),
    ("email_confirmed", "E-mail address confirmed"),
    ("email_changed", "E-mail address changed"),
    ("email_removed", "E-mail address removed"),
    ("session_ended", "Session ended"),
    ("token_reused", "Used refresh token came again"),
    ("account_closed", "Account closed"),
]


class Migration(migrations.Migration):
    """A change of choices alone is none of the table, so the log keeps its trigger on SQLite."""

    dependencies = [("accounts", "0004_letters")]
    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": (("reset_factors", "Can take away lost second factors"),),
                "verbose_name": "user",
                "verbose_name_plural": "users",
            },
        ),
        migrations.AddField(
            model_name="user",
            name="factor_due",
            field=models.BooleanField(
                default=False, editable=False, verbose_name="has to set up a second factor"
            ),
        ),
        migrations.AlterField(
            model_name="securityevent",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=20, verbose_name="what"),
        ),
    ]
