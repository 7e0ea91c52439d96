"""Every organization gets its default project, and every key that exists belongs to it."""

from django.db import migrations


def make_projects(apps, schema_editor):
    Organization, Project, ApiKey = (
        apps.get_model("orgs", name) for name in ("Organization", "Project", "ApiKey")
    )
    for pk in Organization.objects.values_list("pk", flat=True):
        project = Project.objects.create(organization_id=pk, name="General", is_default=True)
        ApiKey.objects.filter(organization_id=pk, project=None).update(project=project)


class Migration(migrations.Migration):
    dependencies = [("orgs", "0002_ground")]
    operations = [migrations.RunPython(make_projects, migrations.RunPython.noop)]
