"""Rows of the workflows room, split by noun."""

from workflows.models.history import RollupHour, RunLog, RunTag
from workflows.models.runs import (
    Event,
    Run,
    RunWait,
    Signal,
    Step,
    WorkerProcess,
)
from workflows.models.values import RunValue
from workflows.models.workflows import (
    Workflow,
    WorkflowGrant,
    WorkflowTeamGrant,
    WorkflowVersion,
)

__all__ = [
    "Event",
    "RollupHour",
    "Run",
    "RunLog",
    "RunTag",
    "RunValue",
    "RunWait",
    "Signal",
    "Step",
    "WorkerProcess",
    "Workflow",
    "WorkflowGrant",
    "WorkflowTeamGrant",
    "WorkflowVersion",
]
