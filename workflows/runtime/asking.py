"""What runs ask of people: the names of their tasks, and taking them back."""

from __future__ import annotations

from bpm.actions import cancel_tasks
from bpm.models import ProcessInfo
from workflows.models import Run

HUMAN_INPUT = "workflows.human_input"


def subject_of(run_id: object, node_id: str, iteration: str) -> str:
    """What a human task of a run is about: `<run>:<node>:<iteration>`."""
    return f"{run_id}:{node_id}:{iteration}"


def take_back_tasks(run: Run, reason: str) -> None:
    """Withdraw all that the run still asks of people, also where its wait never became durable."""
    asked = ProcessInfo.objects.of(run.organization_id).filter(
        kind=HUMAN_INPUT,
        trace_id=run.trace_id,
        finished_at=None,
        subject_id__startswith=f"{run.public_id}:",
    )
    for subject in list(asked.values_list("subject_id", flat=True)):
        cancel_tasks(kind=HUMAN_INPUT, subject_id=subject, reason=reason)
