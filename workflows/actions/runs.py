"""Starting and answering runs."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from bpm.models import Decision, HumanTask
from core.errors import IdempotencyMismatch, InvalidInput, NotFound
from core.jsonsafe import clean, json_size
from core.queue import enqueue
from core.trace import current_trace_id
from orgs.access import Actor, can, require, system_actor
from orgs.projects import refuse_archived
from workflows.actions.commanding import note_command
from workflows.actions.control import cancel_run
from workflows.actions.queueing import SUPERSEDED, apply_policy, enter_queue
from workflows.errors import ConcurrencyConflict, NotPublished, RunFinished, ValueTooLarge
from workflows.history.tags import tag_started
from workflows.inputs import check_inputs
from workflows.models import Event, Run, RunPolicy, Signal, Workflow, WorkflowVersion
from workflows.runtime.slots import rivals
from workflows.runtime.telling import wake
from workflows.values import Aside

LONGEST_DELAY = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Parent:
    """The run and the node that start another run, and what becomes of that when they end."""

    parent_id: int
    parent_node: str
    parent_iteration: str
    parent_close: str


def start_run(
    *,
    actor: Actor,
    workflow_id: UUID,
    inputs: dict[str, Any],
    query: str = "",
    version_id: UUID | None = None,
    trigger: str = Run.Trigger.API,
    idempotency_key: str | None = None,
    not_before: datetime | None = None,
    parent: Parent | None = None,
    priority: int | None = None,
) -> Run:
    """Queue a run; it is durable when this returns. The same key returns the same run.

    With a `not_before` that lies ahead it is scheduled, and queued when that time has come.

    Without `version_id` the published version runs; who may edit the workflow also gets its
    latest draft while nothing is published. `priority` (-10 to 10) stands for the workflow's own.
    A run whose concurrency key is taken is held. Raises InvalidRunInput, ValueTooLarge,
    NotPublished, ConcurrencyConflict, InvalidInput for a time too far ahead.
    """
    version = version_to_run(actor, workflow_id, version_id)
    values = check_inputs(version.definition, inputs)
    run = Run(
        organization_id=actor.organization_id,
        workflow_id=version.workflow_id,
        version=version,
        trigger=trigger,
        inputs=clean(values),
        trace_id=current_trace_id(),
        idempotency_key=idempotency_key or None,
        started_by_id=actor.user_id,
        api_key_id=actor.api_key_id,
        seq=1,
        **(asdict(parent) if parent else {}),
    )
    run.system = system_of(run, query)
    refuse_too_large(run)
    policy = apply_policy(run, priority)
    _schedule(run, not_before)
    whole = run.inputs, run.system
    try:
        return _insert(actor, run, policy)
    except IntegrityError:
        if run.idempotency_key is None:
            raise
        run.inputs, run.system = whole
        return _same(run)


def _schedule(run: Run, not_before: datetime | None) -> None:
    if not_before is None or not_before <= now():
        return
    if not_before > now() + LONGEST_DELAY:
        raise InvalidInput("This is too far ahead.", field="not_before", most=LONGEST_DELAY.days)
    run.not_before, run.state = not_before, Run.State.SCHEDULED


def refuse_too_large(run: Run) -> None:
    limit = settings.ENGINE_VALUE_MAX
    if (size := json_size(run.inputs) + json_size(run.system)) > limit:
        raise ValueTooLarge("The inputs are too large.", size=size, limit=limit)


def _insert(actor: Actor, run: Run, policy: RunPolicy | None) -> Run:
    """With what is too large for its row put aside before."""
    aside = Aside(run.organization_id, run.public_id)
    values = run.inputs
    run.inputs, run.system = aside.row_form(run.inputs), aside.row_form(run.system)
    try:
        return insert_row(actor, run, policy, values)
    except (IntegrityError, ConcurrencyConflict):  # the run may be there all the same
        aside.discard()
        raise


@transaction.atomic
def insert_row(actor: Actor, run: Run, policy: RunPolicy | None, values: dict[str, Any]) -> Run:
    run.save(force_insert=True)
    takes_over = enter_queue(run, policy)
    if declared := run.workflow.searchable:
        tag_started(run, values, declared)
    Event.objects.create(
        organization_id=run.organization_id, run=run, seq=1, kind=f"run.{run.state}", at=now()
    )
    if takes_over:
        transaction.on_commit(partial(_supersede, run), robust=True)
    note_command("workflows.run.started", actor, run, trigger=run.trigger)
    enqueue("workflows.tasks.pump")
    return run


def _supersede(run: Run) -> None:
    """Cancel what has the run's concurrency key, or waits for it, since before the run came."""
    for run_id in rivals(run):
        with suppress(RunFinished, NotFound):
            cancel_run(actor=system_actor(run.organization_id), run_id=run_id, reason=SUPERSEDED)


def _same(run: Run) -> Run:
    """The run that holds this idempotency key already; the request must be the same."""
    known = Run.objects.filter(
        organization_id=run.organization_id, idempotency_key=run.idempotency_key
    ).first()
    if known is None:
        raise NotFound("The organization or workflow is gone.")
    asked, before = _request(run), _request(known)
    if asked != before:
        raise IdempotencyMismatch("This key was used for another request.", run=str(known))
    found: Run = known
    found.repeated = True
    return found


def _request(run: Run) -> str:
    # Not the version: a publish between a call and its repetition makes it no other call.
    return json.dumps([str(run.workflow_id), run.inputs, run.system.get("query")], sort_keys=True)


def version_to_run(actor: Actor, workflow_id: UUID, version_id: UUID | None) -> WorkflowVersion:
    rows = Workflow.objects.visible_to(actor).select_related("project")
    workflow = rows.filter(pk=workflow_id).first()
    if workflow is None:
        raise NotFound("There is no such workflow.")
    require(actor, "workflow.run", workflow)
    refuse_archived(workflow.project)
    versions = WorkflowVersion.objects.filter(workflow=workflow)
    published = workflow.published_id
    wanted = version_id or published
    if wanted != published or wanted is None:
        if not can(actor, "workflow.edit", workflow):
            raise NotPublished("This workflow has no published version you could run.")
        versions = versions.filter(pk=wanted) if wanted else versions.order_by("-number")
    else:
        versions = versions.filter(pk=wanted)
    version = versions.first()
    if version is None:
        raise NotFound("There is no such version.")
    found: WorkflowVersion = version
    return found


def system_of(run: Run, query: str) -> dict[str, Any]:
    return {
        "query": clean(query),
        "files": [],
        "conversation_id": "",
        "dialogue_count": 1,
        "user_id": str(run.started_by_id or run.api_key_id or ""),
        "app_id": str(run.workflow_id),
        "workflow_id": str(run.workflow_id),
        "workflow_run_id": str(run.public_id),
        "timestamp": int(now().timestamp()),
    }


def deliver_decision(task: HumanTask, decision: Decision) -> None:
    """Bpm's handler: hand a person's answer to the waiting run, in the decision's transaction.

    Raises RunFinished, so that the decision is refused, when the run is over.
    """
    run_id, node_id, iteration = _subject(task.subject_id)
    run = Run.objects.select_for_update().filter(public_id=run_id).first()
    if run is None or run.finished:
        state = run.state if run else ""
        raise RunFinished("The run is over; nobody waits for this answer.", state=state)
    Signal.objects.create(
        organization_id=run.organization_id,
        run=run,
        node_id=node_id,
        iteration=iteration,
        payload=clean(_answer(decision)),
        delivery_id=f"task:{task.pk}",
    )
    wake(run)


def _answer(decision: Decision) -> dict[str, Any]:
    return {
        "action": decision.action_id,
        "inputs": decision.data,
        "comment": decision.comment,
        "decided_by": str(decision.actor_id),
    }


def _subject(subject_id: str) -> tuple[str, str, str]:
    run_id, _, rest = subject_id.partition(":")
    node_id, _, iteration = rest.rpartition(":")
    return run_id, node_id, iteration
