"""Firing a trigger: the run and the note of it, in one transaction of the caller's."""

from __future__ import annotations

import logging
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from core.errors import DomainError, PermissionRefused
from core.ids import new_trace_id
from core.trace import current_trace_id, tracing
from orgs.access import Actor
from workflows.actions.runs import start_run
from workflows.models import Run, Trigger, TriggerFiring
from workflows.triggers.acting import acting_actor, note_failure, note_success

logger = logging.getLogger(__name__)
Outcome = TriggerFiring.Outcome
STARTED_AS = {
    Trigger.Kind.SCHEDULE: Run.Trigger.SCHEDULE,
    Trigger.Kind.WEBHOOK: Run.Trigger.WEBHOOK,
    Trigger.Kind.RUN_ENDED: Run.Trigger.RUN_ENDED,
}


def new_firing(trigger: Trigger, **fields: Any) -> TriggerFiring:
    return TriggerFiring(organization_id=trigger.organization_id, trigger=trigger, **fields)


def attempt(
    trigger: Trigger,
    firing: TriggerFiring,
    *,
    inputs: dict[str, Any] | None = None,
    query: str = "",
    source: Run | None = None,
) -> Run | None:
    """Start the run of `firing` and save what became of it; None when the rules said no.

    The trigger's row is locked by the caller. A refusal counts against the trigger. What is no
    refusal of ours is one all the same, unless the database itself is away: then it is raised, and
    nothing has happened.
    """
    try:
        with transaction.atomic():
            run = start(trigger, firing, inputs=inputs, query=query, source=source)
    except (OperationalError, InterfaceError):
        raise
    except DomainError as error:
        _fail(trigger, firing, error.code, error.message)
        return None
    except Exception:
        logger.exception("A trigger could not start its run", extra={"trigger": str(trigger.pk)})
        _fail(trigger, firing, "internal_error", "")
        return None
    note_success(trigger)
    return run


def start(
    trigger: Trigger,
    firing: TriggerFiring,
    *,
    inputs: dict[str, Any] | None = None,
    query: str = "",
    source: Run | None = None,
    actor: Actor | None = None,
) -> Run:
    """The run of `firing`, once however often this is repeated. Raises what `start_run` raises.

    Without an `actor`, in the name of whom the trigger acts for. `source` must be visible to them.
    """
    acting = actor or acting_actor(trigger)
    if source is not None:
        visible = Run.objects.visible_to(acting).filter(pk=source.pk)
        if not visible.exists():
            hidden = "The run that ended is not visible to whom this trigger acts for."
            raise PermissionRefused(hidden, verb="run.view")
    with tracing(_trace_of(trigger, source, by_hand=actor is not None)):
        run = start_run(
            actor=acting,
            workflow_id=trigger.workflow_id,
            inputs=trigger.inputs if inputs is None else inputs,
            query=query or trigger.query,
            trigger=STARTED_AS[Trigger.Kind(trigger.kind)],
            idempotency_key=idempotency_key(trigger, firing),
        )
    firing.outcome, firing.run_id = Outcome.STARTED, run.public_id
    firing.reason = firing.message = ""
    firing.save()
    return run


def _trace_of(trigger: Trigger, source: Run | None, *, by_hand: bool) -> str:
    """That of the run that ended, or of the request; runs of one tick have nothing in common."""
    if source is not None:
        return source.trace_id
    on_request = by_hand or trigger.kind == Trigger.Kind.WEBHOOK
    return current_trace_id() if on_request else new_trace_id()


def idempotency_key(trigger: Trigger, firing: TriggerFiring) -> str | None:
    """`schedule:<trigger>:<occurrence>` and the like; None for what was fired by hand."""
    return f"{trigger.kind}:{trigger.pk}:{firing.key}" if firing.key else None


def _fail(trigger: Trigger, firing: TriggerFiring, code: str, message: str) -> None:
    firing.outcome, firing.reason, firing.message = Outcome.FAILED, code, str(message)[:300]
    firing.save()
    note_failure(trigger, code)


def lock(pk: Any, *, wait: bool) -> Trigger | None:
    """The trigger with its row locked; None when it is gone, or without `wait` somebody's."""
    rows = Trigger.objects.select_related("workflow", "organization", "workflow__published")
    rows = rows.select_for_update(of=("self",), skip_locked=not wait, no_key=True)
    found: Trigger | None = rows.filter(pk=pk).first()
    return found
