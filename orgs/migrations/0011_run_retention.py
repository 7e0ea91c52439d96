from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0010_sign_on_max_age"),
    ]
    operations = [
        migrations.AddField(
            model_name="organization",
            name="run_retention_days",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Empty: for ever.",
                null=True,
                verbose_name="days runs are kept",
            ),
        ),
    ]
