import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0009_invitation_sending"),
    ]
    operations = [
        migrations.AddField(
            model_name="ssoconnection",
            name="max_age_hours",
            field=models.PositiveSmallIntegerField(
                default=24,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(336),
                ],
                verbose_name="hours until the provider is asked again",
            ),
        ),
    ]
