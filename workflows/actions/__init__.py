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
from workflows.actions.triggers import (
    change_trigger,
    create_trigger,
    delete_trigger,
    fire_trigger,
    rotate_trigger,
    set_trigger_enabled,
)

__all__ = [
    "cancel_run",
    "change_trigger",
    "check_flow",
    "create_trigger",
    "delete_trigger",
    "deliver_decision",
    "fire_trigger",
    "import_flow",
    "move_workflow",
    "prune_runs",
    "publish_version",
    "read_flow",
    "rotate_trigger",
    "set_trigger_enabled",
    "set_workflow_retention",
    "start_run",
]
