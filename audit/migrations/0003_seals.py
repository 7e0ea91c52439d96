"""Where entries came from, and the tables of the chains.

The old trigger goes first: 0004 gives the entries written so far their category, and SQLite remakes
the table. 0004 makes the triggers again, for every table.
"""

import django.db.models.deletion
from django.db import migrations, models


def drop_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER IF EXISTS audit_entry_append_only ON audit_entry")
        schema_editor.execute("DROP FUNCTION IF EXISTS audit_append_only()")
    else:
        schema_editor.execute("DROP TRIGGER IF EXISTS audit_entry_append_only")


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0002_unchangeable'),
    ]

    operations = [
        migrations.RunPython(drop_trigger, migrations.RunPython.noop),
        migrations.CreateModel(
            name='Chain',
            fields=[
                ('organization_id', models.UUIDField(primary_key=True, serialize=False, verbose_name='organization')),
                ('number', models.PositiveIntegerField(default=0, verbose_name='seals')),
                ('entries', models.PositiveBigIntegerField(default=0, verbose_name='sealed entries')),
                ('digest', models.CharField(default='0000000000000000000000000000000000000000000000000000000000000000', max_length=64, verbose_name='digest')),
                ('last_id', models.BigIntegerField(default=0, verbose_name='last entry')),
                ('last_at', models.DateTimeField(null=True, verbose_name='newest entry')),
                ('pruned_to', models.PositiveIntegerField(default=0, verbose_name='entries dropped up to seal')),
                ('signature', models.CharField(default='', max_length=140, verbose_name='signature')),
                ('sealed_at', models.DateTimeField(null=True, verbose_name='sealed')),
                ('checked_at', models.DateTimeField(null=True, verbose_name='checked')),
                ('problems', models.JSONField(default=list, verbose_name='problems')),
            ],
            options={
                'verbose_name': 'audit chain',
                'verbose_name_plural': 'audit chains',
            },
        ),
        migrations.CreateModel(
            name='DailyCount',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('organization_id', models.UUIDField(verbose_name='organization')),
                ('day', models.DateField(verbose_name='day')),
                ('action', models.CharField(max_length=80, verbose_name='event')),
                ('category', models.CharField(max_length=20, verbose_name='category')),
                ('outcome', models.CharField(choices=[('ok', 'done'), ('refused', 'refused'), ('failed', 'failed')], max_length=8, verbose_name='outcome')),
                ('actor_kind', models.CharField(choices=[('user', 'user'), ('key', 'API key'), ('system', 'system')], max_length=8, verbose_name='actor kind')),
                ('actor_id', models.UUIDField(null=True, verbose_name='actor')),
                ('count', models.PositiveBigIntegerField(verbose_name='entries')),
            ],
            options={
                'verbose_name': 'audit count',
                'verbose_name_plural': 'audit counts',
            },
        ),
        migrations.CreateModel(
            name='Seal',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('organization_id', models.UUIDField(verbose_name='organization')),
                ('number', models.PositiveIntegerField(help_text='Counts from 1 without gaps.', verbose_name='number')),
                ('count', models.PositiveIntegerField(verbose_name='entries')),
                ('first_id', models.BigIntegerField(verbose_name='first entry')),
                ('last_id', models.BigIntegerField(verbose_name='last entry')),
                ('last_at', models.DateTimeField(verbose_name='newest entry')),
                ('content', models.CharField(max_length=64, verbose_name='digest of the entries')),
                ('previous', models.CharField(max_length=64, verbose_name='digest of the seal before')),
                ('digest', models.CharField(max_length=64, verbose_name='digest')),
                ('sealed_at', models.DateTimeField(verbose_name='sealed')),
                ('pruned_at', models.DateTimeField(null=True, verbose_name='entries dropped')),
            ],
            options={
                'verbose_name': 'audit seal',
                'verbose_name_plural': 'audit seals',
            },
        ),
        migrations.CreateModel(
            name='SealedEntry',
            fields=[
                ('entry_id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('organization_id', models.UUIDField(verbose_name='organization')),
                ('position', models.PositiveIntegerField()),
                ('digest', models.CharField(max_length=64)),
            ],
            options={
                'verbose_name': 'sealed entry',
                'verbose_name_plural': 'sealed entries',
            },
        ),
        migrations.AddField(
            model_name='entry',
            name='after',
            field=models.JSONField(null=True, verbose_name='after'),
        ),
        migrations.AddField(
            model_name='entry',
            name='api_key_id',
            field=models.UUIDField(null=True, verbose_name='API key'),
        ),
        migrations.AddField(
            model_name='entry',
            name='before',
            field=models.JSONField(null=True, verbose_name='before'),
        ),
        migrations.AddField(
            model_name='entry',
            name='category',
            field=models.CharField(default='', max_length=20, verbose_name='category'),
        ),
        migrations.AddField(
            model_name='entry',
            name='ip',
            field=models.GenericIPAddressField(null=True, verbose_name='IP address'),
        ),
        migrations.AddField(
            model_name='entry',
            name='outcome',
            field=models.CharField(choices=[('ok', 'done'), ('refused', 'refused'), ('failed', 'failed')], default='ok', max_length=8, verbose_name='outcome'),
        ),
        migrations.AddField(
            model_name='entry',
            name='support_id',
            field=models.UUIDField(null=True, verbose_name='support access'),
        ),
        migrations.AddField(
            model_name='entry',
            name='user_agent',
            field=models.CharField(blank=True, default='', max_length=200, verbose_name='user agent'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='action',
            field=models.CharField(max_length=80, verbose_name='event'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['organization_id', 'category', '-id'], name='audit_org_category'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['organization_id', 'actor_id', '-id'], name='audit_org_actor'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['organization_id', 'target_id', '-id'], name='audit_org_target'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['organization_id', 'at'], name='audit_org_at'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(condition=models.Q(('ip__isnull', False)), fields=['organization_id', 'ip', '-id'], name='audit_org_ip'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(condition=models.Q(('outcome__in', ('refused', 'failed'))), fields=['organization_id', '-id'], name='audit_org_not_ok'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['at'], name='audit_at'),
        ),
        migrations.AddConstraint(
            model_name='dailycount',
            constraint=models.UniqueConstraint(fields=('organization_id', 'day', 'action', 'outcome', 'actor_kind', 'actor_id'), name='audit_count_once'),
        ),
        migrations.AddConstraint(
            model_name='seal',
            constraint=models.UniqueConstraint(fields=('organization_id', 'number'), name='audit_seal_number'),
        ),
        migrations.AddField(
            model_name='sealedentry',
            name='seal',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sealed', to='audit.seal'),
        ),
        migrations.AddConstraint(
            model_name='sealedentry',
            constraint=models.UniqueConstraint(fields=('seal', 'position'), name='audit_sealed_position'),
        ),
    ]
