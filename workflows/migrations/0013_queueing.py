
import core.ids
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orgs', '0011_run_retention'),
        ("workflows", "0012_bulk"),
    ]

    operations = [
        migrations.CreateModel(
            name='ConcurrencySlot',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('organization_id', models.UUIDField()),
                ('key', models.CharField(max_length=200, verbose_name='concurrency key')),
                ('taken_at', models.DateTimeField(auto_now_add=True, verbose_name='taken')),
            ],
            options={
                'verbose_name': 'concurrency slot',
                'verbose_name_plural': 'concurrency slots',
            },
        ),
        migrations.CreateModel(
            name='NodeRateLimit',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('scope', models.CharField(choices=[('kind', 'Kind of node'), ('connector', 'Connector')], max_length=10, verbose_name='scope')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('limit', models.PositiveIntegerField(verbose_name='calls')),
                ('per_seconds', models.PositiveIntegerField(verbose_name='in seconds')),
                ('burst', models.PositiveIntegerField(verbose_name='at once')),
            ],
            options={
                'verbose_name': 'rate limit of nodes',
                'verbose_name_plural': 'rate limits of nodes',
            },
        ),
        migrations.CreateModel(
            name='RunPolicy',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('run_timeout_seconds', models.PositiveIntegerField(null=True, verbose_name='seconds a run may take')),
                ('max_concurrent', models.PositiveIntegerField(null=True, verbose_name='runs at once')),
                ('concurrency_key', models.CharField(blank=True, default='', max_length=500, verbose_name='concurrency key')),
                ('on_conflict', models.CharField(choices=[('queue', 'Wait its turn'), ('skip', 'Refuse to start'), ('cancel_running', 'Cancel those before it'), ('replace_waiting', 'Replace those that wait')], default='queue', max_length=16, verbose_name='when the key is taken')),
                ('priority', models.SmallIntegerField(default=0, verbose_name='priority')),
            ],
            options={
                'verbose_name': 'run policy',
                'verbose_name_plural': 'run policies',
            },
        ),
        migrations.RemoveIndex(
            model_name='run',
            name='run_queued',
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['organization', '-priority', 'id'], name='run_queued'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('ended_at__isnull', True), ('parent__isnull', False)), fields=['parent'], name='run_live_children'),
        ),
        migrations.AddIndex(
            model_name='runwait',
            index=models.Index(condition=models.Q(('kind', 'run')), fields=['run'], name='wait_of_child'),
        ),
        migrations.AddField(
            model_name='concurrencyslot',
            name='run',
            field=models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='concurrency_slot', to='workflows.run'),
        ),
        migrations.AddField(
            model_name='concurrencyslot',
            name='workflow',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workflows.workflow'),
        ),
        migrations.AddField(
            model_name='noderatelimit',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organization'),
        ),
        migrations.AddField(
            model_name='runpolicy',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organization'),
        ),
        migrations.AddField(
            model_name='runpolicy',
            name='workflow',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='run_policy', to='workflows.workflow'),
        ),
        migrations.AddIndex(
            model_name='concurrencyslot',
            index=models.Index(fields=['workflow', 'key'], name='slot_key'),
        ),
        migrations.AddIndex(
            model_name='noderatelimit',
            index=models.Index(fields=['organization', '-id'], name='rate_org_newest'),
        ),
        migrations.AddConstraint(
            model_name='noderatelimit',
            constraint=models.UniqueConstraint(fields=('organization', 'scope', 'name'), name='rate_once'),
        ),
        migrations.AddConstraint(
            model_name='noderatelimit',
            constraint=models.CheckConstraint(condition=models.Q(('burst__gt', 0), ('limit__gt', 0), ('per_seconds__gt', 0)), name='rate_positive'),
        ),
    ]
