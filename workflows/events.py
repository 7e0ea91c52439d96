"""What workflows records. What happens inside a run is in the run's own events."""

from django.utils.translation import gettext_lazy as _

from audit.events import register

register("workflows.version.imported", _("Version imported"), workflow=str, checksum=str)
register(
    "workflows.version.published", _("Version published"), workflow=str, checksum=str, before=str
)
register("workflows.run.started", _("Run started"), workflow=str, trigger=str)
register("workflows.run.cancelled", _("Run cancelled"), workflow=str, reason=str)
register("workflows.workflow.moved", _("Workflow moved"))
register("workflows.workflow.retention_changed", _("Retention of a workflow's runs changed"))
register("workflows.workflow.searchable_changed", _("Searchable values of a workflow changed"))
register(
    "workflows.runs.pruned", _("Old runs deleted"), runs=int, steps=int, events=int, values=int
)
