"""Every write of workflows, split by noun."""

from workflows.actions.flows import (
    check_flow,
    import_flow,
    move_workflow,
    publish_version,
    read_flow,
)
from workflows.actions.queueing import set_run_policy
from workflows.actions.rates import change_rate_limit, create_rate_limit, delete_rate_limit
from workflows.actions.retention import prune_runs, set_workflow_retention
from workflows.actions.runs import cancel_run, deliver_decision, start_run

__all__ = [
    "cancel_run",
    "change_rate_limit",
    "check_flow",
    "create_rate_limit",
    "delete_rate_limit",
    "deliver_decision",
    "import_flow",
    "move_workflow",
    "prune_runs",
    "publish_version",
    "read_flow",
    "set_run_policy",
    "set_workflow_retention",
    "start_run",
]
