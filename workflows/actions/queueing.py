"""How a workflow's runs queue: its policy, and what that means for a run that starts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from audit.actions import record
from core.errors import InvalidInput, NotFound
from orgs.access import Actor, require
from workflows.errors import ConcurrencyConflict
from workflows.models import Run, RunPolicy, Workflow
from workflows.runtime.asking import take_back_tasks
from workflows.runtime.ending import end_run
from workflows.runtime.slots import REFERENCE, admit, render_key, settle, waiting_before
from workflows.runtime.slots import policy_of as known_policy

LONGEST_TIMEOUT = 31_536_000
"""Seconds: a year."""
MOST_CONCURRENT = 1_000
LONGEST_TEMPLATE = 500
MOST_PRIORITY = 10
FIELDS = ("run_timeout_seconds", "max_concurrent", "concurrency_key", "on_conflict", "priority")
SUPERSEDED = "A newer run with the same concurrency key took its place."


@transaction.atomic
def set_run_policy(
    *,
    actor: Actor,
    workflow_id: UUID,
    run_timeout_seconds: int | None = None,
    max_concurrent: int | None = None,
    concurrency_key: str = "",
    on_conflict: str = RunPolicy.OnConflict.QUEUE,
    priority: int = 0,
) -> RunPolicy:
    """Replace the policy. Runs that started before keep their key, priority and deadline.

    How many are let in at once holds from now on, for those that wait as well. Raises InvalidInput.
    """
    found = Workflow.objects.visible_to(actor).filter(pk=workflow_id).first()
    if found is None:
        raise NotFound("There is no such workflow.")
    require(actor, "workflow.edit", found)
    after = {
        "run_timeout_seconds": run_timeout_seconds,
        "max_concurrent": max_concurrent,
        "concurrency_key": concurrency_key.strip(),
        "on_conflict": on_conflict,
        "priority": priority,
    }
    _check(after)
    workflow: Workflow = Workflow.objects.select_for_update().get(pk=found.pk)
    policy = policy_of(workflow)
    before = {name: getattr(policy, name) for name in FIELDS}
    if before == after:
        return policy
    for name, value in after.items():
        setattr(policy, name, value)
    policy.save()
    record(
        "workflows.workflow.run_policy_changed",
        actor=actor,
        target_type="workflow",
        target_id=workflow.pk,
        summary=workflow.name,
        before=before,
        after=after,
        project_id=workflow.project_id,
    )
    _let_in(workflow.pk)
    return policy


def policy_of(workflow: Workflow) -> RunPolicy:
    """The workflow's policy; one that bounds nothing, not stored, where none was ever set."""
    return known_policy(workflow.pk) or RunPolicy(
        organization_id=workflow.organization_id, workflow=workflow
    )


def _check(given: dict[str, Any]) -> None:
    _bounded("run_timeout_seconds", given["run_timeout_seconds"], 1, LONGEST_TIMEOUT)
    _bounded("max_concurrent", given["max_concurrent"], 1, MOST_CONCURRENT)
    _bounded("priority", given["priority"], -MOST_PRIORITY, MOST_PRIORITY)
    if given["on_conflict"] not in RunPolicy.OnConflict.values:
        raise InvalidInput(_("There is no such choice."), field="on_conflict")
    template = given["concurrency_key"]
    if len(template) > LONGEST_TEMPLATE:
        raise InvalidInput(
            _("The concurrency key is too long."), field="concurrency_key", most=LONGEST_TEMPLATE
        )
    rest = REFERENCE.sub("", template)
    if "\0" in template or "{{" in rest or "}}" in rest:
        raise InvalidInput(
            _("A concurrency key is text with references like {{ inputs.name }}."),
            field="concurrency_key",
        )


def _bounded(field: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidInput(_("This number is out of range."), field=field, least=least, most=most)


def _let_in(workflow_id: UUID) -> None:
    """Whoever the changed policy has room for now; the sweep finds any that are left."""
    held = Run.objects.filter(workflow_id=workflow_id, state=Run.State.HELD).order_by()
    for key in list(held.values_list("concurrency_key", flat=True).distinct()[:100]):
        settle(workflow_id, key)


# -- a run that starts


def apply_policy(run: Run, priority: int | None) -> RunPolicy | None:
    """Say what the run is bounded by, from its inputs and the policy: before it is stored."""
    if priority is not None:
        _bounded("priority", priority, -MOST_PRIORITY, MOST_PRIORITY)
    policy = known_policy(run.workflow_id)
    run.priority = priority if priority is not None else policy.priority if policy else 0
    if policy is not None and policy.at_once is not None:
        run.concurrency_key = render_key(policy.concurrency_key, run.inputs)
    return policy


def enter_queue(run: Run, policy: RunPolicy | None) -> bool:
    """Queue a run that was just inserted, or hold it: its state says which.

    In the transaction that inserts it. True: those before it are to be cancelled for it, after the
    commit. Raises ConcurrencyConflict where the policy would rather not start it at all.
    """
    if run.state == Run.State.SCHEDULED:
        return False  # its turn comes when its time has come
    run.state = admit(run, policy=policy)
    held = run.state == Run.State.HELD and policy is not None
    if held and policy is not None:
        if policy.on_conflict == RunPolicy.OnConflict.SKIP:
            raise ConcurrencyConflict(
                _("Another run with this concurrency key is under way."), key=run.concurrency_key
            )
        if policy.on_conflict == RunPolicy.OnConflict.REPLACE_WAITING:
            replace_waiting(run)
    if held or run.deadline_at is not None:
        run.save(update_fields=["state", "deadline_at"])
    return held and policy is not None and policy.on_conflict == RunPolicy.OnConflict.CANCEL_RUNNING


def replace_waiting(run: Run) -> None:
    """End those that wait for the same key: the newest alone is of interest."""
    for older in waiting_before(run):
        take_back_tasks(older, SUPERSEDED)
        error = {"code": "superseded", "message": SUPERSEDED, "node_id": ""}
        end_run(older, Run.State.CANCELLED, error=error, data={"reason": SUPERSEDED})
