"""The asyncio interpreter of one run: no ORM, no queue, only a journal and services.

Events: run.started run.resumed run.waiting run.paused run.parked run.succeeded run.failed
run.cancelled run.terminated run.timed-out, node.started (effects and containers only: other nodes
settle in the change that starts them) node.succeeded node.failed node.skipped node.retried
node.waiting.
"""

from workflows.engine.records import (
    ENDED,
    GOOD,
    Change,
    Event,
    LogLine,
    RunState,
    Signal,
    Step,
    StepStatus,
    Wait,
)
from workflows.nodes.base import NodeFailed
from workflows.nodes.services import (
    NodeChildRequest,
    NodeHttpRequest,
    NodeHttpResponse,
    NodeModelAnswer,
    NodeModelCall,
    NodeTaskRequest,
    Services,
)
from workflows.runner.advancing import advance
from workflows.runner.compiled import graph_of
from workflows.runner.shapes import Journal, Limits, Outside, RunTask

__all__ = [
    "ENDED",
    "GOOD",
    "Change",
    "Event",
    "Journal",
    "Limits",
    "LogLine",
    "NodeChildRequest",
    "NodeFailed",
    "NodeHttpRequest",
    "NodeHttpResponse",
    "NodeModelAnswer",
    "NodeModelCall",
    "NodeTaskRequest",
    "Outside",
    "RunState",
    "RunTask",
    "Services",
    "Signal",
    "Step",
    "StepStatus",
    "Wait",
    "advance",
    "graph_of",
]
