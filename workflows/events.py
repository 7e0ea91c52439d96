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
register(
    "workflows.runs.pruned", _("Old runs deleted"), runs=int, steps=int, events=int, values=int
)
_KIND = {"workflow": str, "kind": str}
register("workflows.trigger.created", _("Trigger created"), **_KIND)
register("workflows.trigger.changed", _("Trigger changed"), **_KIND)
register("workflows.trigger.deleted", _("Trigger deleted"), **_KIND)
register("workflows.trigger.enabled", _("Trigger enabled"), **_KIND)
register("workflows.trigger.disabled", _("Trigger disabled"), **_KIND, reason=str)
register("workflows.trigger.rotated", _("Trigger given a new secret"), **_KIND, what=str)
register("workflows.trigger.fired", _("Trigger fired by hand"), **_KIND, run=str)
