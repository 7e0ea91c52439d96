"""Every workflow that exists belongs to its organization's default project."""

from django.db import migrations


def fill_projects(apps, schema_editor):
    Project, Workflow = apps.get_model("orgs", "Project"), apps.get_model("workflows", "Workflow")
    for project in Project.objects.filter(is_default=True):
        rows = Workflow.objects.filter(organization_id=project.organization_id, project=None)
        rows.update(project=project)


class Migration(migrations.Migration):
    dependencies = [("workflows", "0004_project"), ("orgs", "0003_default_projects")]
    operations = [migrations.RunPython(fill_projects, migrations.RunPython.noop)]
