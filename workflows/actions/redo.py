"""Going on with a run that ended badly, and setting one back: in place, with its history kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from bpm.models import ProcessInfo
from core.errors import InvalidInput
from orgs.access import Actor
from workflows.actions.commanding import fresh_deadline, go_on, note_command, place_again, taken
from workflows.control_matrix import Command
from workflows.engine.graph import Graph
from workflows.errors import ResetImpossible, RunStateConflict
from workflows.models import Event, Run, RunWait, Signal, Step
from workflows.redoing import Settled, history_of, numbers_of, settled_of, to_retry
from workflows.runner import graph_of
from workflows.runtime.ending import close_child, note_event
from workflows.runtime.sweep import HUMAN_INPUT
from workflows.runtime.telling import tell_worker

FIELDS = (
    "state", "owner", "control", "epoch", "seq", "generation", "crashes", "step_count", "outputs",
    "error", "ended_at", "deadline_at",
)  # fmt: skip
"""What taking a run up again may change in its row."""


@transaction.atomic
def retry_run(*, actor: Actor, run_id: UUID) -> Run:
    """Go on with a run that ended badly from what failed; all that is done stays done.

    Of a partly successful run the handled failures are tried again, with what came of them. The
    keys of its effects stay, so that what happened without being recorded does not happen twice.
    Raises NotFound, PermissionRefused, RunStateConflict.
    """
    run, answer = taken(actor, run_id, Command.RETRY)
    graph, steps = graph_of(run.version.definition), settled_of(run)
    dropped = dropped_by_retry(run, graph, steps)
    if run.state == Run.State.PARTIAL and not dropped:
        raise RunStateConflict(
            "Nothing in this run failed for good.", state=run.state, command="retry"
        )
    take_up(run, steps, dropped)
    run.save(update_fields=FIELDS)
    tell_worker(run)
    go_on(run)
    nodes = sorted({each.node_id for each in dropped})
    note_command("workflows.run.retried", actor, run, answer.standing, nodes=nodes)
    return run


def dropped_by_retry(run: Run, graph: Graph, steps: Sequence[Settled]) -> list[Settled]:
    """Of a run that was cancelled also what its clean-up did: it is cancelled no longer."""
    if run.state == Run.State.PARTIAL:
        return to_retry(graph, steps)
    return [step for step in steps if step.failed or step.node_id in graph.cleaners]


def take_up(run: Run, steps: Sequence[Settled], dropped: Sequence[Settled]) -> None:
    """Make a run that is over a live one without these steps. Its row is the caller's to save."""
    data = {"dropped": _numbers(run, steps, dropped)}
    _delete(dropped)
    kept = {step.place for step in steps} - {step.place for step in dropped}
    run.generation += _lost_partners(run, kept)
    _again(run, len(kept))
    note_event(run, "run.retried", data)


def _numbers(run: Run, steps: Sequence[Settled], dropped: Sequence[Settled]) -> list[int]:
    numbers = numbers_of(steps, history_of(run))
    return sorted(seq for step in dropped if (seq := numbers[step.pk]))


def _delete(steps: Sequence[Settled]) -> None:
    Step.objects.filter(pk__in=[step.pk for step in steps]).delete()


def _again(run: Run, step_count: int) -> None:
    run.state = place_again(run) if run.finished else Run.State.QUEUED
    run.owner, run.control, run.crashes = None, Run.Control.NONE, 0
    run.epoch += 1
    run.step_count, run.outputs, run.error, run.ended_at = step_count, None, None, None
    run.deadline_at = fresh_deadline(run)


def _lost_partners(run: Run, kept: set[tuple[str, str]]) -> bool:
    """Whether a node that runs again had asked somebody whose task or run is closed by now.

    Under its old key it would find that one again, and wait for ever.
    """
    asked = ProcessInfo.objects.of(run.organization_id).filter(
        kind=HUMAN_INPUT, trace_id=run.trace_id, subject_id__startswith=f"{run.public_id}:"
    )
    for subject in asked.values_list("subject_id", flat=True):
        node_id, _, iteration = subject.partition(":")[2].rpartition(":")
        if (node_id, iteration) not in kept:
            return True
    started = Run.objects.filter(parent=run.pk).exclude(state__in=Run.LIVE)
    places = set(started.values_list("parent_node", "parent_iteration"))
    return bool(places - kept)


@transaction.atomic
def reset_run(*, actor: Actor, run_id: UUID, to: int) -> Run:
    """Set a run back to where it stood right after event number `to`, and let it go on from there.

    What was done later is done anew, its effects included; what it waits for, answers nobody took
    and open tasks fall away, runs it started since are cancelled. Its history stays whole. A step
    that had failed by then is tried again. Raises NotFound, PermissionRefused, RunStateConflict,
    InvalidInput for a number it has no event of, and ResetImpossible when what was done by then
    has been done away with since.
    """
    run, answer = taken(actor, run_id, Command.RESET)
    if not Event.objects.filter(run=run, seq=to).exists():
        raise InvalidInput("The run has no such event.", field="to", last=run.seq)
    graph, steps = graph_of(run.version.definition), settled_of(run)
    kept = _kept(run, graph, steps, to)
    dropped = [step for step in steps if step.pk not in kept]
    data = {"to": to, "dropped": _numbers(run, steps, dropped)}
    _delete(dropped)
    RunWait.objects.filter(run=run).delete()
    Signal.objects.filter(run=run).delete()
    _again(run, len(kept))
    run.generation += 1
    note_event(run, "run.reset", data)
    run.save(update_fields=FIELDS)
    _cancel_children(run, {step.place for step in steps if step.pk in kept})
    tell_worker(run)
    go_on(run)
    note_command("workflows.run.reset", actor, run, answer.standing, to=to)
    return run


def _kept(run: Run, graph: Graph, steps: Sequence[Settled], to: int) -> set[int]:
    """Ids of the steps that were there after event `to`, but for failures and cleaning up.

    Raises ResetImpossible.
    """
    history = history_of(run, upto=to)
    numbers = numbers_of(steps, history)
    lasting = [step for step in steps if not step.failed and step.node_id not in graph.cleaners]
    kept = {step.pk for step in lasting if numbers[step.pk] <= to}
    gone = {history.nodes[seq] for seq in history.then - {numbers[pk] for pk in kept}}
    if gone - graph.cleaners:
        nodes: Any = sorted(gone - graph.cleaners)
        raise ResetImpossible("What was done by then is not there any more.", nodes=nodes)
    return kept


def _cancel_children(run: Run, kept: set[tuple[str, str]]) -> None:
    live = Run.objects.filter(parent=run.pk, state__in=Run.LIVE)
    for pk, *place in live.values_list("pk", "parent_node", "parent_iteration"):
        if tuple(place) not in kept:
            cancel = partial(
                close_child, pk, terminate=False, reason="The run that started it was set back."
            )
            transaction.on_commit(cancel, robust=True)
