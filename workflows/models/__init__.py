"""Rows of the workflows room, split by noun."""

from workflows.models.bulk import BulkCommand
from workflows.models.history import RollupHour, RunLog, RunTag
from workflows.models.queueing import ConcurrencySlot, NodeRateLimit, RunPolicy
from workflows.models.runs import (
    Event,
    Run,
    RunWait,
    Signal,
    Step,
    WorkerProcess,
)
from workflows.models.triggers import Trigger, TriggerFiring
from workflows.models.values import RunValue
from workflows.models.workflows import (
    Workflow,
    WorkflowGrant,
    WorkflowTeamGrant,
    WorkflowVersion,
)

__all__ = [
    "BulkCommand",
    "ConcurrencySlot",
    "Event",
    "NodeRateLimit",
    "RollupHour",
    "Run",
    "RunLog",
    "RunPolicy",
    "RunTag",
    "RunValue",
    "RunWait",
    "Signal",
    "Step",
    "Trigger",
    "TriggerFiring",
    "WorkerProcess",
    "Workflow",
    "WorkflowGrant",
    "WorkflowTeamGrant",
    "WorkflowVersion",
]
