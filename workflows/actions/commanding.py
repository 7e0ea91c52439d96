"""What all commands share: finding the run, the right to it, its lock, and what the table says.

Each command is one transaction. Tasks are locked before the run, in the order of decisions, so the
two cannot deadlock; the run's row is locked before its state is read, so of two commands at once,
or a command and a worker's commit, the second sees what the first has done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.timezone import now

from audit.actions import record
from core.errors import NotFound
from core.queue import enqueue
from orgs.access import Actor, require
from workflows.control_matrix import Answer, Command, require_allowed, standing
from workflows.models import Run
from workflows.runtime.asking import take_back_tasks
from workflows.runtime.slots import admit

LONGEST_REASON = 500
OWN = frozenset({Command.PAUSE, Command.RESUME, Command.CANCEL, Command.TERMINATE, Command.SIGNAL})
"""Whoever started a run may do these to it; everything else asks for the right to control runs."""
_WITHDRAWN = {
    Command.CANCEL: "The run was cancelled.",
    Command.TERMINATE: "The run was terminated.",
    Command.RESET: "The run was set back.",
}


def visible_run(actor: Actor, run_id: UUID) -> Run:
    """Raises NotFound."""
    found = Run.objects.visible_to(actor).filter(public_id=run_id).first()
    if found is None:
        raise NotFound("There is no such run.")
    run: Run = found
    return run


def may_command(actor: Actor, run: Run, command: Command) -> None:
    """Raises PermissionRefused."""
    if command in OWN and actor.user_id is not None and run.started_by_id == actor.user_id:
        return
    require(actor, "run.control", run)


def taken(actor: Actor, run_id: UUID, command: Command) -> tuple[Run, Answer]:
    """The run, locked, and the answer to the command. Inside a transaction.

    Raises NotFound, PermissionRefused, RunStateConflict, RunFinished.
    """
    seen = visible_run(actor, run_id)
    may_command(actor, seen, command)
    if reason := _WITHDRAWN.get(command):
        require_allowed(seen, command)  # no task is locked in vain
        take_back_tasks(seen, reason)
    run = Run.objects.select_for_update().get(pk=seen.pk)
    return run, require_allowed(run, command)


def go_on(run: Run) -> None:
    """Ring once the transaction is through, if the run is ready."""
    if run.state == Run.State.QUEUED:
        enqueue("workflows.tasks.pump")


def place_again(run: Run) -> str:
    """How a run that was over, or never began, comes back: others may have its key by now."""
    if run.started_at is None and run.not_before is not None and run.not_before > now():
        return Run.State.SCHEDULED
    return admit(run)


def fresh_deadline(run: Run) -> datetime | None:
    """As much time again as the run was given when it started."""
    if run.deadline_at is None:
        return None
    return now() + (run.deadline_at - max(run.not_before or run.created_at, run.created_at))


def note_command(action: str, actor: Actor, run: Run, before: str = "", **data: Any) -> None:
    """The command in the audit trail, with how the run stood and stands."""
    record(
        action,
        actor=actor,
        target_type="run",
        target_id=run.public_id,
        data={"workflow": str(run.workflow_id), **data},
        before={"state": before} if before else None,
        after={"state": standing(run)} if before else None,
        trace_id=run.trace_id,
        project_id=run.workflow.project_id,
    )
