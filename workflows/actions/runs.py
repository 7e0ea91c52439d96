"""Starting, cancelling and answering runs."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.timezone import now

from audit.actions import record
from bpm.models import Decision, HumanTask
from core.errors import IdempotencyMismatch, NotFound
from core.jsonsafe import clean, json_size
from core.queue import enqueue
from core.trace import current_trace_id
from orgs.access import Actor, can, require
from orgs.projects import refuse_archived
from workflows.errors import NotPublished, RunFinished, ValueTooLarge
from workflows.history.tags import tag_started
from workflows.inputs import check_inputs
from workflows.models import Event, Run, Signal, Workflow, WorkflowVersion
from workflows.runtime.ending import end_run
from workflows.runtime.sweep import take_back_tasks
from workflows.values import Aside


def start_run(
    *,
    actor: Actor,
    workflow_id: UUID,
    inputs: dict[str, Any],
    query: str = "",
    version_id: UUID | None = None,
    trigger: str = Run.Trigger.API,
    idempotency_key: str | None = None,
) -> Run:
    """Queue a run; it is durable when this returns. The same key returns the same run.

    Without `version_id` the published version runs; who may edit the workflow also gets its
    latest draft while nothing is published. Raises InvalidRunInput, ValueTooLarge,
    NotPublished.
    """
    version = _version_to_run(actor, workflow_id, version_id)
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
    )
    run.system = _system(run, query)
    _refuse_too_large(run)
    whole = run.inputs, run.system
    try:
        return _insert(actor, run)
    except IntegrityError:
        if run.idempotency_key is None:
            raise
        run.inputs, run.system = whole
        return _same(run)


def _refuse_too_large(run: Run) -> None:
    limit = settings.ENGINE_VALUE_MAX
    if (size := json_size(run.inputs) + json_size(run.system)) > limit:
        raise ValueTooLarge("The inputs are too large.", size=size, limit=limit)


def _insert(actor: Actor, run: Run) -> Run:
    """With what is too large for its row put aside before."""
    aside = Aside(run.organization_id, run.public_id)
    values = run.inputs
    run.inputs, run.system = aside.row_form(run.inputs), aside.row_form(run.system)
    try:
        return _insert_row(actor, run, values)
    except IntegrityError:  # whatever else happens, the run may be there all the same
        aside.discard()
        raise


@transaction.atomic
def _insert_row(actor: Actor, run: Run, values: dict[str, Any]) -> Run:
    run.save(force_insert=True)
    if declared := run.workflow.searchable:
        tag_started(run, values, declared)
    Event.objects.create(
        organization_id=run.organization_id, run=run, seq=1, kind="run.queued", at=now()
    )
    _note("workflows.run.started", actor, run, trigger=run.trigger)
    enqueue("workflows.tasks.pump")
    return run


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


def _version_to_run(actor: Actor, workflow_id: UUID, version_id: UUID | None) -> WorkflowVersion:
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


def _system(run: Run, query: str) -> dict[str, Any]:
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


@transaction.atomic
def cancel_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """End a run now; its worker is fenced out and its open tasks are taken back.

    Raises RunFinished when it is over already, and nothing changes then.
    """
    seen = Run.objects.visible_to(actor).filter(public_id=run_id).first()
    if seen is None:
        raise NotFound("There is no such run.")
    _require_control(actor, seen)
    # Tasks before the run: a decision locks in the same order, so the two cannot deadlock.
    take_back_tasks(seen, "The run was cancelled.")
    run = Run.objects.select_for_update().get(pk=seen.pk)
    if run.finished:
        raise RunFinished("The run is over already.", state=run.state)
    reason = reason[:500]
    error = {"code": "cancelled", "message": reason, "node_id": ""}
    end_run(run, Run.State.CANCELLED, error=error, data={"reason": reason})
    _note("workflows.run.cancelled", actor, run, reason=reason)
    return run


def _require_control(actor: Actor, run: Run) -> None:
    """Whoever started a run may stop it; others need the right to control runs."""
    if actor.user_id is None or run.started_by_id != actor.user_id:
        require(actor, "run.control", run)


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
    Run.objects.filter(pk=run.pk).update(wakes=F("wakes") + 1)
    Run.objects.filter(pk=run.pk, state=Run.State.WAITING).update(state=Run.State.QUEUED)
    enqueue("workflows.tasks.pump")


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


def _note(action: str, actor: Actor, run: Run, **data: str) -> None:
    record(
        action,
        actor=actor,
        target_type="run",
        target_id=run.public_id,
        data={"workflow": str(run.workflow_id), **data},
        trace_id=run.trace_id,
        project_id=run.workflow.project_id,
    )
