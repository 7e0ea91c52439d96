"""Holding a run up, letting it go on, and ending it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from orgs.access import Actor
from workflows.actions.commanding import LONGEST_REASON, go_on, note_command, place_again, taken
from workflows.control_matrix import Command
from workflows.models import Run
from workflows.runtime.ending import ask_to_cancel, end_run, note_event
from workflows.runtime.telling import tell_worker

PAUSE, NOTHING = Run.Control.PAUSE, Run.Control.NONE


@transaction.atomic
def pause_run(*, actor: Actor, run_id: UUID) -> Run:
    """Start nothing more of it. What is under way settles first: until then it is pausing.

    Pausing a paused run changes nothing. Raises NotFound, PermissionRefused, RunStateConflict.
    """
    run, answer = taken(actor, run_id, Command.PAUSE)
    if answer.same:
        return run
    run.control = PAUSE
    if run.state != Run.State.RUNNING:
        run.state = Run.State.PAUSED
    word = "paused" if run.state == Run.State.PAUSED else "pausing"
    note_event(run, f"run.{word}")
    run.save(update_fields=["control", "state", "seq"])
    tell_worker(run)
    note_command("workflows.run.paused", actor, run, answer.standing)
    return run


@transaction.atomic
def resume_run(*, actor: Actor, run_id: UUID) -> Run:
    """Let a paused or parked run go on; one that goes on anyway stays as it is.

    Raises NotFound, PermissionRefused, RunStateConflict.
    """
    run, answer = taken(actor, run_id, Command.RESUME)
    if answer.same:
        return run
    run.control, run.crashes = NOTHING, 0
    if run.state in {Run.State.PAUSED, Run.State.PARKED}:
        begun = run.started_at is not None
        run.state, run.error = Run.State.QUEUED if begun else place_again(run), None
    note_event(run, "run.resuming")
    run.save(update_fields=["control", "crashes", "state", "error", "seq"])
    tell_worker(run)
    go_on(run)
    note_command("workflows.run.resumed", actor, run, answer.standing)
    return run


@transaction.atomic
def cancel_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """Bring a run to its end: nodes at work get a chance to stop, a clean-up branch runs.

    Where there is neither, it is over when this returns. What it asked of people is taken back.
    Raises NotFound, PermissionRefused, RunStateConflict, and RunFinished when it is over already.
    """
    run, answer = taken(actor, run_id, Command.CANCEL)
    if answer.same:
        return run
    reason = reason[:LONGEST_REASON]
    ask_to_cancel(run, reason)
    note_command("workflows.run.cancelled", actor, run, answer.standing, reason=reason)
    return run


@transaction.atomic
def terminate_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """End a run now: its worker is fenced out, nothing is cleaned up, its children go with it.

    Raises NotFound, PermissionRefused, RunStateConflict.
    """
    run, answer = taken(actor, run_id, Command.TERMINATE)
    reason = reason[:LONGEST_REASON]
    error = {"code": "terminated", "message": reason, "node_id": ""}
    end_run(run, Run.State.TERMINATED, error=error, data={"reason": reason})
    note_command("workflows.run.terminated", actor, run, answer.standing, reason=reason)
    return run
