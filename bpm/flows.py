"""The one generic approval. Stages are data of the stored version; the class never changes them.

Node names carry the prefix `n_`, because they share the class's names with viewflow's own
(`lock`, `cancel`, …), and they are stored with every running process: add nodes, never rename.
No operator's text may reach a viewflow title or description: those are rendered as templates.
"""

from datetime import datetime
from typing import Any

from django.utils.timezone import now
from viewflow import this
from viewflow.workflow import flow

from bpm.models import Candidate, Decision, HumanTask, ProcessInfo
from bpm.nodes import LOCK, HumanNode
from bpm.subjects import subject_of


class ApprovalFlow(flow.Flow):
    """Begin, wait for people at each stage, tell the subject, end."""

    lock_impl = LOCK
    process_title = "Approval"

    n_begin = flow.StartHandle(this.begin).Next(this.n_stage)
    n_stage = HumanNode().onCreate(this.open_stage).Next(this.n_decided)
    n_decided = flow.Function(this.finish).Next(this.n_end)
    n_end = flow.End()

    def begin(self, activation: Any, info: ProcessInfo) -> ProcessInfo:
        activation.process.save()
        info.process = activation.process
        info.save(force_insert=True)
        return info

    def open_stage(self, activation: Any) -> None:
        """Put the current stage into the inboxes of its candidates."""
        info: ProcessInfo = activation.process.info
        request = info.request
        task = HumanTask.objects.create(
            organization_id=info.organization_id,
            task=activation.task,
            process=info,
            stage=info.stage,
            title=info.title,
            actions=request["actions"],
            form=request["form"],
            due_at=datetime.fromisoformat(request["due_at"]) if request["due_at"] else None,
        )
        Candidate.objects.bulk_create(
            Candidate(task=task, principal=principal) for principal in request["candidates"]
        )

    def finish(self, activation: Any) -> None:
        """Record the outcome and tell the subject, in the decision's own transaction."""
        info: ProcessInfo = activation.process.info
        decision = _last_decision(info)
        info.outcome, info.finished_at = decision.action_id, now()
        info.save(update_fields=["outcome", "finished_at", "updated_at"])
        subject_of(info.kind).decided(decision.task, decision)


def _last_decision(info: ProcessInfo) -> Decision:
    decisions = Decision.objects.filter(task__process=info).select_related("task__process")
    return decisions.latest("pk")
