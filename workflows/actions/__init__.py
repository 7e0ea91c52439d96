"""Every write of workflows, split by noun."""

from workflows.actions.flows import (
    check_flow,
    import_flow,
    move_workflow,
    publish_version,
    read_flow,
)
from workflows.actions.retention import prune_runs, set_workflow_retention
from workflows.actions.runs import cancel_run, deliver_decision, start_run
from workflows.actions.searchable import set_searchable

__all__ = [
    "cancel_run",
    "check_flow",
    "deliver_decision",
    "import_flow",
    "move_workflow",
    "prune_runs",
    "publish_version",
    "read_flow",
    "set_searchable",
    "set_workflow_retention",
    "start_run",
]
