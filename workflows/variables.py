"""What a flow can read at this moment of a run: its pool of variables, with secrets blotted out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from orgs.access import Actor
from workflows.actions.commanding import visible_run
from workflows.engine.records import Event, StepStatus
from workflows.models import Run, Step
from workflows.models.values import row_value
from workflows.runner import graph_of
from workflows.runner.redaction import MASK, masked_event, secrets_of


def query_variables(*, actor: Actor, run_id: UUID, whole: bool = False) -> dict[str, Any]:
    """`sys`, `inputs`, `env`, `conversation`, and `nodes` with the outputs of what has settled.

    A value that lies in the file store is shown as its row has it, `{"$stored": …}`, unless the
    `whole` is asked for. Nodes inside iterations are named `node[iteration]`. Raises NotFound;
    with `whole` also FileGone and StorageUnavailable.
    """
    run = visible_run(actor, run_id)
    graph = graph_of(run.version.definition)
    secrets = secrets_of(graph)
    system = _value(run, "system", whole=whole)
    talk = {str(item["name"]): item.get("value") for item in graph.conversation}
    said = system.get("conversation") if isinstance(system, dict) else None
    found = {
        "sys": system,
        "inputs": _value(run, "inputs", whole=whole),
        "conversation": talk | dict(said or {}),
        "nodes": _nodes(run, whole=whole),
    }
    shown = masked_event(Event("run.variables", data=found), secrets).data
    return {**shown, "env": {str(item["name"]): _shown(item) for item in graph.environment}}


def _value(row: Any, name: str, *, whole: bool) -> Any:
    return getattr(row, name) if whole else row_value(row, name)


def _nodes(run: Run, *, whole: bool) -> dict[str, Any]:
    rows = Step.objects.filter(run=run).exclude(status=StepStatus.FAILED).order_by("pk")
    only = ("organization_id", "node_id", "iteration", "outputs")
    return {
        f"{step.node_id}[{step.iteration}]" if step.iteration else step.node_id: _value(
            step, "outputs", whole=whole
        )
        for step in rows.only(*only)
    }


def _shown(variable: Mapping[str, Any]) -> Any:
    return MASK if variable.get("value_type") == "secret" else variable.get("value")
