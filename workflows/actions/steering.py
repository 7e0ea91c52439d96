"""Answering in the place of a node, and telling a run something by a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from bpm.actions import cancel_tasks
from core.errors import InvalidInput, NotFound
from core.ids import uuid7
from core.jsonsafe import clean, json_size
from orgs.access import Actor
from workflows.actions.commanding import go_on, may_command, note_command, taken, visible_run
from workflows.actions.redo import FIELDS, dropped_by_retry, take_up
from workflows.control_matrix import Answer, Command
from workflows.engine.graph import SOURCE, Graph
from workflows.errors import NodeStateConflict, TooManySignals, ValueTooLarge
from workflows.models import Event, Run, RunWait, Signal
from workflows.redoing import Settled, frontier_of, settled_of
from workflows.runner import graph_of
from workflows.runtime.ending import note_event
from workflows.runtime.sweep import HUMAN_INPUT, subject_of
from workflows.runtime.telling import tell_worker

COMMAND = "__command"
MOST_SIGNALS = 1_000
"""Named signals of one run that nobody has taken yet."""
LARGEST_PAYLOAD = 256 * 1024
"""Bytes of JSON that a signal brings, or a skipped node is given."""
LONGEST_NAME = 100
LONGEST_DELIVERY = 120
AT_WORK = ("node.started", "node.retried")


@transaction.atomic
def skip_node(
    *,
    actor: Actor,
    run_id: UUID,
    node_id: str,
    outputs: Mapping[str, Any] | None = None,
    handle: str = SOURCE,
    iteration: str = "",
) -> Run:
    """Settle a node that waits, is ready or failed with these outputs instead of running it.

    A run that had ended badly goes on after it. A live one takes it when it goes on: a paused one
    not before it is resumed. Raises NotFound (no such node), PermissionRefused, RunStateConflict,
    InvalidInput (no such branch), ValueTooLarge, and NodeStateConflict when the node is settled,
    at work, answered already or was not reached.
    """
    given = _payload(dict(outputs or {}))
    seen = visible_run(actor, run_id)
    may_command(actor, seen, Command.SKIP)
    subject = subject_of(seen.public_id, node_id, iteration)
    cancel_tasks(kind=HUMAN_INPUT, subject_id=subject, reason="The node was skipped.")
    run, answer = taken(actor, run_id, Command.SKIP)
    graph, steps = graph_of(run.version.definition), settled_of(run)
    _require_handle(graph, node_id, handle)
    dropped = dropped_by_retry(run, graph, steps) if run.finished else []
    _require_open(run, graph, [each for each in steps if each not in dropped], node_id, iteration)
    if run.finished:
        take_up(run, steps, dropped)
    payload = {COMMAND: "skip", "outputs": given, "handle": handle}
    delivery = f"skip:{run.public_id}:{uuid7()}"
    _deliver(run, payload, delivery, node_id=node_id, iteration=iteration)
    data = {"handle": handle, **({"iteration": iteration} if iteration else {})}
    note_event(run, "node.skipping", data, node_id)
    _tell(run)
    note_command("workflows.run.skipped", actor, run, answer.standing, node=node_id, handle=handle)
    return run


def _payload(value: dict[str, Any]) -> dict[str, Any]:
    """As a row can hold it. Raises ValueTooLarge."""
    if (size := json_size(value)) > LARGEST_PAYLOAD:
        raise ValueTooLarge("This is too large.", size=size, limit=LARGEST_PAYLOAD)
    found: dict[str, Any] = clean(value)
    return found


def _require_handle(graph: Graph, node_id: str, handle: str) -> None:
    node = graph.nodes.get(node_id)
    if node is None:
        raise NotFound("There is no such node.")
    known = {edge.handle for edge in graph.out[node_id]} if node.branch else {SOURCE}
    if handle not in known:
        raise InvalidInput("The node has no such branch.", field="handle", known=sorted(known))


def _require_open(
    run: Run, graph: Graph, steps: list[Settled], node_id: str, iteration: str
) -> None:
    """Raises NodeStateConflict unless the node waits or is ready and not at work."""
    place = {"run": run, "node_id": node_id, "iteration": iteration}
    if Signal.objects.filter(**place).exists():
        state = "answered"
    elif RunWait.objects.filter(**place).exists():
        return
    elif any(step.place == (node_id, iteration) for step in steps):
        state = "settled"
    elif iteration or node_id not in frontier_of(graph, steps).ready:
        state = "unreached"
    elif run.state == Run.State.RUNNING and _at_work(run, node_id):
        state = "running"
    else:
        return
    raise NodeStateConflict("This node cannot be skipped now.", node=node_id, state=state)


def _at_work(run: Run, node_id: str) -> bool:
    last = Event.objects.filter(run=run, node_id=node_id).order_by("-seq")
    return last.values_list("kind", flat=True).first() in AT_WORK


def _deliver(run: Run, payload: dict[str, Any], delivery_id: str, **to: str) -> None:
    Signal.objects.create(
        organization_id=run.organization_id,
        run=run,
        payload=payload,
        delivery_id=delivery_id,
        **to,
    )
    run.wakes += 1
    if run.state == Run.State.WAITING:
        run.state = Run.State.QUEUED


def _tell(run: Run) -> None:
    run.save(update_fields=(*FIELDS, "wakes"))
    tell_worker(run)
    go_on(run)


@transaction.atomic
def signal_run(
    *,
    actor: Actor,
    run_id: UUID,
    name: str,
    data: Mapping[str, Any] | None = None,
    delivery_id: str = "",
) -> Run:
    """Tell a run something; it is kept until a node waits for the name, and delivered once.

    A `delivery_id` that the run has had already changes nothing. Raises NotFound,
    PermissionRefused, RunStateConflict, InvalidInput, ValueTooLarge, TooManySignals.
    """
    payload = _payload(dict(data or {}))
    _require_names(name, delivery_id, payload)
    run, answer = taken(actor, run_id, Command.SIGNAL)
    if delivery_id and _delivered(run, delivery_id):
        return run
    waiting = Signal.objects.filter(run=run).exclude(name="")
    if waiting.count() >= MOST_SIGNALS:
        raise TooManySignals("Too many signals wait in this run.", most=MOST_SIGNALS)
    told = delivery_id or str(uuid7())
    _deliver(run, payload, f"signal:{run.public_id}:{told}", name=name)
    note_event(run, "run.signalled", {"name": name, "delivery_id": told})
    _tell(run)
    note_command(
        "workflows.run.signalled", actor, run, _changed(run, answer), name=name, delivery=told
    )
    return run


def _changed(run: Run, answer: Answer) -> str:
    return answer.standing if run.state != answer.standing else ""


def _require_names(name: str, delivery_id: str, payload: Mapping[str, Any]) -> None:
    if not name.strip() or len(name) > LONGEST_NAME or clean(name) != name:
        raise InvalidInput("A signal has a name.", field="name", most=LONGEST_NAME)
    if len(delivery_id) > LONGEST_DELIVERY or clean(delivery_id) != delivery_id:
        raise InvalidInput("This id is too long.", field="delivery_id", most=LONGEST_DELIVERY)
    if COMMAND in payload:
        raise InvalidInput("This name is the engine's own.", field="data", name=COMMAND)


def _delivered(run: Run, delivery_id: str) -> bool:
    """Also when it was taken long ago: the history knows."""
    rows = Event.objects.filter(run=run, kind="run.signalled")
    return rows.filter(data__delivery_id=delivery_id).exists()
