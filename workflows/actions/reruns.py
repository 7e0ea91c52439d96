"""Running a run again as a new one: whole, or from one node with what came before taken over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from core.errors import Conflict, IdempotencyMismatch, InvalidInput, NotFound
from core.jsonsafe import clean, json_size
from core.trace import current_trace_id
from orgs.access import Actor, require
from workflows.actions.commanding import may_command, note_command, visible_run
from workflows.actions.queueing import apply_policy
from workflows.actions.runs import insert_row, refuse_too_large, system_of, version_to_run
from workflows.control_matrix import Command, require_allowed
from workflows.engine.graph import Graph
from workflows.errors import NodeStateConflict, ValueTooLarge
from workflows.inputs import check_inputs
from workflows.models import Run, Step
from workflows.models.values import is_reference, read_value
from workflows.redoing import Settled, behind, frontier_of, settled_of
from workflows.runner import graph_of
from workflows.runtime.ending import note_event
from workflows.values import Aside

COPIED = (
    "node_id", "iteration", "kind", "status", "handle", "attempts", "inputs", "outputs", "error",
    "error_code", "started_at", "ended_at",
)  # fmt: skip
"""Of a step that is taken over; what it cost was paid by the run that did it."""


@dataclass(slots=True)
class _Taken:
    """What a new run takes over: steps by id in order, and what differs in some of them."""

    steps: list[Settled] = field(default_factory=list)
    changes: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


def rerun_run(
    *,
    actor: Actor,
    run_id: UUID,
    node_id: str = "",
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Mapping[str, Any]] | None = None,
    version_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> Run:
    """Start a run like this one: all of it anew, or from `node_id` on with earlier steps as given.

    `inputs` replaces what the run was given, `outputs` (by node) what earlier nodes came to.
    Another version can be named only where everything is anew. The new run has a trigger, events
    and keys of its own, so all it does happens again. The old run may be in any state and stays as
    it is. The same `idempotency_key` returns the same run.

    Raises NotFound, PermissionRefused, InvalidInput, InvalidRunInput, ValueTooLarge,
    NotPublished, and NodeStateConflict for a node that the old run did not reach.
    """
    source = visible_run(actor, run_id)
    may_command(actor, source, Command.RERUN)
    require_allowed(source, Command.RERUN)
    require(actor, "workflow.run", source.workflow)
    if node_id and version_id not in {None, source.version_id}:
        raise InvalidInput("Another version starts from the beginning.", field="version")
    if outputs and not node_id:
        raise InvalidInput("Name the node from which it runs again.", field="node")
    run = _new(actor, source, version_id, inputs)
    taken = _taken_over(source, node_id, outputs or {}) if node_id else _Taken()
    if inputs is not None and node_id:
        _start_with(run, taken)
    run.source_node, run.idempotency_key = node_id, idempotency_key or None
    try:
        return _store(actor, run, source, taken)
    except IntegrityError:
        if run.idempotency_key is None:
            raise
        return _same(run)


def _same(run: Run) -> Run:
    """The run that holds this idempotency key already; it must be a rerun of the same."""
    rows = Run.objects.filter(organization_id=run.organization_id)
    known: Run | None = rows.filter(idempotency_key=run.idempotency_key).first()
    if known is None:
        raise NotFound("The organization or workflow is gone.")
    if (known.source_id, known.source_node) != (run.source_id, run.source_node):
        raise IdempotencyMismatch("This key was used for another request.", run=str(known))
    known.repeated = True
    return known


def _new(
    actor: Actor, source: Run, version_id: UUID | None, inputs: Mapping[str, Any] | None
) -> Run:
    version = source.version
    if version_id is not None and version_id != source.version_id:
        version = version_to_run(actor, source.workflow_id, version_id)
    given = source.inputs if inputs is None else inputs
    run = Run(
        organization_id=source.organization_id,
        workflow_id=source.workflow_id,
        version=version,
        trigger=Run.Trigger.RERUN,
        inputs=clean(check_inputs(version.definition, given)),
        trace_id=current_trace_id(),
        started_by_id=actor.user_id,
        api_key_id=actor.api_key_id,
        priority=source.priority,
        source=source,
        seq=1,
    )
    run.system = {**source.system, **system_of(run, str(source.system.get("query") or ""))}
    refuse_too_large(run)
    return run


def _taken_over(source: Run, node_id: str, outputs: Mapping[str, Mapping[str, Any]]) -> _Taken:
    graph, steps = graph_of(source.version.definition), settled_of(source)
    node = graph.nodes.get(node_id)
    if node is None or node.parent:
        raise NotFound("There is no such node to run from.")
    anew = behind(graph, node_id) | graph.cleaners
    kept = [step for step in steps if step.node_id not in anew and not step.failed]
    _require_reached(graph, kept, node_id)
    known = {step.place for step in kept}
    if unknown := sorted(name for name in outputs if (name, "") not in known):
        raise InvalidInput("These nodes have no outputs to edit.", field="outputs", nodes=unknown)
    return _Taken(kept, {(name, ""): {"outputs": _edited(each)} for name, each in outputs.items()})


def _require_reached(graph: Graph, kept: list[Settled], node_id: str) -> None:
    if node_id not in frontier_of(graph, kept).ready:
        raise NodeStateConflict(
            "The run has not come to this node.", node=node_id, state="unreached"
        )


def _edited(value: Mapping[str, Any]) -> dict[str, Any]:
    limit = settings.ENGINE_VALUE_MAX
    if (size := json_size(value)) > limit:
        raise ValueTooLarge("This is too large.", size=size, limit=limit)
    found: dict[str, Any] = clean(dict(value))
    return found


def _start_with(run: Run, taken: _Taken) -> None:
    """The step of the start node as if it had been given the new inputs."""
    graph = graph_of(run.version.definition)
    place = graph.start, ""
    if place not in {step.place for step in taken.steps}:
        return
    system = {f"sys.{name}": value for name, value in run.system.items()}
    edited = taken.changes.get(place, {}).get("outputs", {})
    taken.changes[place] = {"inputs": run.inputs, "outputs": run.inputs | system | edited}


def _store(actor: Actor, run: Run, source: Run, taken: _Taken) -> Run:
    """With large values put aside before: those of copied steps lie with the new run, too."""
    aside = Aside(run.organization_id, run.public_id)
    run.step_count = len(taken.steps)
    policy, values = apply_policy(run, run.priority), run.inputs
    try:
        changes = _row_forms(source, taken, aside)
        run.inputs, run.system = aside.row_form(run.inputs), aside.row_form(run.system)
        with transaction.atomic():
            insert_row(actor, run, policy, values)
            return _store_rows(actor, run, source, taken, changes)
    except BaseException:
        aside.discard()
        raise


def _row_forms(source: Run, taken: _Taken, aside: Aside) -> dict[tuple[str, str], dict[str, Any]]:
    """What differs, as rows hold it: edited values, and contents that lie with the old run."""
    changes = {place: dict(change) for place, change in taken.changes.items()}
    rows = Step.objects.filter(pk__in=[step.pk for step in taken.steps])
    for node_id, iteration, *values in rows.values_list(
        "node_id", "iteration", "inputs", "outputs"
    ):
        change = changes.setdefault((node_id, iteration), {})
        for name, value in zip(("inputs", "outputs"), values, strict=True):
            if name not in change and is_reference(value):
                change[name] = read_value(source.organization_id, value)
    return {
        place: {name: aside.row_form(value) for name, value in change.items()}
        for place, change in changes.items()
        if change
    }


def _store_rows(
    actor: Actor,
    run: Run,
    source: Run,
    taken: _Taken,
    changes: Mapping[tuple[str, str], dict[str, Any]],
) -> Run:
    _copy(run, [step.pk for step in taken.steps])
    for (node_id, iteration), change in changes.items():
        Step.objects.filter(run=run, node_id=node_id, iteration=iteration).update(**change)
    if taken.steps:
        edited = sorted(node for node, _ in taken.changes)
        data = {"source": str(source.public_id), "node": run.source_node, "edited": edited}
        note_event(run, "run.reused", data)
        run.save(update_fields=["seq"])
    note_command(
        "workflows.run.rerun", actor, source, started=str(run.public_id), node=run.source_node
    )
    return run


def _copy(run: Run, pks: list[int]) -> None:
    """INSERT … SELECT, in the order of the originals. Raises Conflict if one is gone by now."""
    if not pks:
        return
    names = ", ".join(COPIED)
    usage = "'{}'::jsonb" if connection.vendor == "postgresql" else "'{}'"
    places = ", ".join(["%s"] * len(pks))
    statement = (
        f"INSERT INTO workflows_step (organization_id, run_id, usage, cost, {names})"  # nosec B608 # noqa: S608 - constants
        f" SELECT organization_id, %s, {usage}, 0, {names} FROM workflows_step"
        f" WHERE id IN ({places}) ORDER BY id"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [run.pk, *pks])
        copied = cursor.rowcount
    if copied != len(pks):
        raise Conflict("The run was set back meanwhile.")
