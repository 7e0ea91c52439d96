"""Sub-workflow: runs another workflow of the organization, and waits for it or lets it go.

workflow: id of it · inputs: {name: text with references or a selector} · query: text
wait: true (default): its outputs become this node's; false: only `run_id` does
on_parent_end: cancel (default) or leave it when this run ends before it
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from workflows.engine.pool import Pool
from workflows.engine.records import GOOD, Wait
from workflows.engine.references import Ref
from workflows.nodes.base import Config, NodeContext, NodeFailed, NodeKind, Outcome, Waiting
from workflows.nodes.fields import Text
from workflows.nodes.services import NodeChildRequest


class SubWorkflowConfig(Config):
    workflow: Text = ""
    inputs: Annotated[dict[str, Any], BeforeValidator(lambda value: value or {})] = Field(
        default_factory=dict
    )
    query: Text = ""
    wait: bool = True
    on_parent_end: Literal["cancel", "leave"] = "cancel"


class SubWorkflowKind(NodeKind[SubWorkflowConfig]):
    name = "sub-workflow"
    config = SubWorkflowConfig
    effect = True
    retryable = True
    mocked = True
    rests = True

    async def run(self, context: NodeContext, config: SubWorkflowConfig) -> Outcome | Waiting:
        inputs = {name: _value(value, context.pool) for name, value in config.inputs.items()}
        key = context.key if context.attempt == 1 else f"{context.key}:{context.attempt}"
        request = NodeChildRequest(
            run=context.run,
            node_id=context.node.id,
            iteration=context.iteration,
            key=key,
            workflow=config.workflow,
            inputs=inputs,
            query=context.pool.text(config.query),
            awaited=config.wait,
            close=config.on_parent_end,
        )
        child = await context.services.start_child(request)
        context.log("info", f"Run {child} of workflow {config.workflow} started")
        shown = {"workflow": config.workflow, "inputs": inputs, "run_id": child}
        if not config.wait:
            return Outcome(outputs={"run_id": child}, inputs=shown)
        at = datetime.now(UTC)
        tries = {"attempt": context.attempt, "since": at.isoformat()}
        wait = Wait(context.node.id, context.iteration, "child", child, None, shown | tries, at)
        return Waiting(wait, inputs=shown)

    async def resume(
        self,
        context: NodeContext,
        config: SubWorkflowConfig,
        wait: Wait,
        payload: Mapping[str, Any],
    ) -> Outcome:
        state, error = payload.get("state"), payload.get("error") or {}
        if state not in GOOD:
            why = str(error.get("message") or state)
            message = f"The run {wait.key} ended as {state}: {why}"
            code = str(error.get("code") or "child_failed")
            raise NodeFailed(message, code=code, kind="SubWorkflowError", inputs=_asked(wait))
        outputs = {**(payload.get("outputs") or {}), "run_id": wait.key}
        return Outcome(outputs=outputs, inputs=_asked(wait))

    def mock(
        self, context: NodeContext, config: SubWorkflowConfig, reads: tuple[Ref, ...]
    ) -> Outcome:
        """What is read from it, each under its own name."""
        names = {ref.path[1] for ref in reads} | {"run_id"}
        return Outcome(outputs={name: f"<{context.node.id}.{name}>" for name in sorted(names)})


def _asked(wait: Wait) -> dict[str, Any]:
    return {name: wait.data[name] for name in ("workflow", "inputs", "run_id")}


def _value(value: Any, pool: Pool) -> Any:
    if isinstance(value, str):
        return pool.text(value)
    if isinstance(value, list) and len(value) > 1 and all(isinstance(at, str) for at in value):
        return pool.value(value)
    return value


KIND = SubWorkflowKind()
