"""Every write of workflows, split by noun."""

from workflows.actions.bulk import (
    cancel_bulk,
    delete_old_bulks,
    hand_back_bulks,
    run_bulk,
    start_bulk,
)
from workflows.actions.control import cancel_run, pause_run, resume_run, terminate_run
from workflows.actions.flows import (
    check_flow,
    import_flow,
    move_workflow,
    publish_version,
    read_flow,
)
from workflows.actions.queueing import set_run_policy
from workflows.actions.rates import change_rate_limit, create_rate_limit, delete_rate_limit
from workflows.actions.redo import reset_run, retry_run
from workflows.actions.reruns import rerun_run
from workflows.actions.retention import prune_runs, set_workflow_retention
from workflows.actions.runs import deliver_decision, start_run
from workflows.actions.searchable import set_searchable
from workflows.actions.steering import signal_run, skip_node
from workflows.actions.triggers import (
    change_trigger,
    create_trigger,
    delete_trigger,
    fire_trigger,
    rotate_trigger,
    set_trigger_enabled,
)

__all__ = [
    "cancel_bulk",
    "cancel_run",
    "change_rate_limit",
    "change_trigger",
    "check_flow",
    "create_rate_limit",
    "create_trigger",
    "delete_old_bulks",
    "delete_rate_limit",
    "delete_trigger",
    "deliver_decision",
    "fire_trigger",
    "hand_back_bulks",
    "import_flow",
    "move_workflow",
    "pause_run",
    "prune_runs",
    "publish_version",
    "read_flow",
    "rerun_run",
    "reset_run",
    "resume_run",
    "retry_run",
    "rotate_trigger",
    "run_bulk",
    "set_run_policy",
    "set_searchable",
    "set_trigger_enabled",
    "set_workflow_retention",
    "signal_run",
    "skip_node",
    "start_bulk",
    "start_run",
    "terminate_run",
]
