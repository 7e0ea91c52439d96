"""Original files and questions of runs belong to the project of their workflow."""

from django.db import migrations

HUMAN_INPUT = "workflows.human_input"


def fill_projects(apps, schema_editor):
    files, versions = (
        apps.get_model("files", "StoredFile"),
        apps.get_model("workflows", "WorkflowVersion"),
    )
    asked, runs = apps.get_model("bpm", "ProcessInfo"), apps.get_model("workflows", "Run")
    sources = versions.objects.exclude(source=None).values_list("source", "workflow__project")
    for source, project in sources.iterator():
        files.objects.filter(pk=source).update(project=project)
    waiting = asked.objects.filter(kind=HUMAN_INPUT, project=None)
    for pk, subject in waiting.values_list("pk", "subject_id").iterator():
        run = runs.objects.filter(public_id=subject.partition(":")[0])
        project = run.values_list("workflow__project", flat=True).first()
        asked.objects.filter(pk=pk).update(project=project)


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0007_team_grants"),
        ("files", "0003_project"),
        ("bpm", "0002_project"),
    ]
    operations = [migrations.RunPython(fill_projects, migrations.RunPython.noop)]
