"""What workflows records. What happens inside a run is in the run's own events."""

from django.utils.translation import gettext_lazy as _

from audit.events import register

register("workflows.version.imported", _("Version imported"), workflow=str, checksum=str)
register(
    "workflows.version.published", _("Version published"), workflow=str, checksum=str, before=str
)
register("workflows.run.started", _("Run started"), workflow=str, trigger=str)
register("workflows.run.cancelled", _("Run cancelled"), workflow=str, reason=str)
register("workflows.run.paused", _("Run paused"), workflow=str)
register("workflows.run.resumed", _("Run resumed"), workflow=str)
register("workflows.run.terminated", _("Run terminated"), workflow=str, reason=str)
register("workflows.run.retried", _("Run retried"), workflow=str, nodes=list)
register(
    "workflows.run.rerun", _("Run started again as a new one"), workflow=str, started=str, node=str
)
register("workflows.run.skipped", _("Node of a run skipped"), workflow=str, node=str, handle=str)
register("workflows.run.signalled", _("Signal sent to a run"), workflow=str, name=str, delivery=str)
register("workflows.run.reset", _("Run set back"), workflow=str, to=int)
register(
    "workflows.runs.bulk_started", _("Command to many runs"), command=str, filter=dict, total=int
)
register("workflows.runs.bulk_cancelled", _("Command to many runs stopped"), command=str)
register(
    "workflows.runs.bulk_ended",
    _("Command to many runs carried out"),
    command=str,
    state=str,
    done=int,
    refused=int,
)
register("workflows.workflow.moved", _("Workflow moved"))
register("workflows.workflow.retention_changed", _("Retention of a workflow's runs changed"))
register("workflows.workflow.searchable_changed", _("Searchable values of a workflow changed"))
register(
    "workflows.runs.pruned", _("Old runs deleted"), runs=int, steps=int, events=int, values=int
)
register("workflows.workflow.run_policy_changed", _("Queueing of a workflow's runs changed"))
register("workflows.rate_limit.created", _("Rate limit of nodes created"), scope=str)
register("workflows.rate_limit.changed", _("Rate limit of nodes changed"), scope=str)
register("workflows.rate_limit.deleted", _("Rate limit of nodes deleted"), scope=str)
_KIND = {"workflow": str, "kind": str}
register("workflows.trigger.created", _("Trigger created"), **_KIND)
register("workflows.trigger.changed", _("Trigger changed"), **_KIND)
register("workflows.trigger.deleted", _("Trigger deleted"), **_KIND)
register("workflows.trigger.enabled", _("Trigger enabled"), **_KIND)
register("workflows.trigger.disabled", _("Trigger disabled"), **_KIND, reason=str)
register("workflows.trigger.rotated", _("Trigger given a new secret"), **_KIND, what=str)
register("workflows.trigger.fired", _("Trigger fired by hand"), **_KIND, run=str)
