"""Human input: asks a person and rests until the answer, or the end of the time for it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from workflows.engine.pool import Pool
from workflows.engine.records import Wait
from workflows.engine.references import Ref
from workflows.nodes.base import (
    AnsweredMeanwhile,
    Config,
    NodeContext,
    NodeFailed,
    NodeKind,
    Outcome,
    Waiting,
)
from workflows.nodes.fields import Text, names_in
from workflows.nodes.services import NodeTaskRequest

TIMEOUT = "__timeout"
OWN_OUTPUTS = frozenset({"__action_id", "__action_value", "__rendered_content"})
PLACEHOLDER = re.compile(r"\{\{#\$output\.([a-zA-Z_][a-zA-Z0-9_]{0,29})#\}\}")
UNITS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
Rows = Annotated[list[Any], BeforeValidator(lambda value: value or [])]


class FormInput(Config):
    type: Text = "paragraph"
    output_variable_name: str
    label: Text = ""
    required: bool | None = False
    default: Any = None
    options: list[Any] | None = None


class Action(Config):
    id: str
    title: Text = ""
    button_style: Text = "default"


class Loomwork(Config):
    """Our own settings inside a node of the foreign format. No candidates: those of the house."""

    candidates: list[str] = Field(default_factory=list)


class HumanInputConfig(Config):
    form_content: Text = ""
    inputs: Annotated[list[FormInput], BeforeValidator(lambda value: value or [])] = Field(
        default_factory=list
    )
    user_actions: Annotated[list[Action], BeforeValidator(lambda value: value or [])] = Field(
        default_factory=list
    )
    timeout: float | None = None
    timeout_unit: Text = "hour"
    loomwork: Annotated[Loomwork, BeforeValidator(lambda value: value or {})] = Field(
        default_factory=Loomwork
    )


class HumanInputKind(NodeKind[HumanInputConfig]):
    name = "human-input"
    config = HumanInputConfig
    effect = True
    branch = True
    mocked = True

    async def run(self, context: NodeContext, config: HumanInputConfig) -> Waiting:
        content, due_at = context.pool.markdown(config.form_content), _due(config)
        request = NodeTaskRequest(
            run=context.run,
            node_id=context.node.id,
            iteration=context.iteration,
            key=context.key,
            title=context.node.title,
            content=content,
            inputs=[_field(row, context.pool) for row in config.inputs],
            actions=[_button(action) for action in config.user_actions],
            candidates=config.loomwork.candidates,
            due_at=due_at,
        )
        key = await context.services.open_human_task(request)
        shown = {"content": content, "inputs": request.inputs, "actions": request.actions}
        wait = Wait(context.node.id, context.iteration, "human", key, due_at, shown)
        return Waiting(wait, inputs=shown)

    async def resume(
        self,
        context: NodeContext,
        config: HumanInputConfig,
        wait: Wait,
        payload: Mapping[str, Any],
    ) -> Outcome:
        action = str(payload.get("action"))
        given = payload.get("inputs") or {}
        if action == TIMEOUT:
            if not await context.services.close_human_task(wait.key):
                raise AnsweredMeanwhile
        elif action not in {known.id for known in config.user_actions}:
            message = f"The form has no action {action!r}"
            raise NodeFailed(message, code="unknown_action", inputs=dict(wait.data))
        content = payload.get("rendered") or wait.data.get("content") or ""
        return _outcome(config, action, given, str(content), dict(wait.data))

    def mock(
        self, context: NodeContext, config: HumanInputConfig, reads: tuple[Ref, ...]
    ) -> Outcome:
        """The first action, with every field's default (or its name)."""
        fields = {row.output_variable_name: _field(row, context.pool) for row in config.inputs}
        label = context.node.id
        given = {
            name: row["default"] if row["default"] is not None else f"<{label}.{name}>"
            for name, row in fields.items()
        }
        action = config.user_actions[0].id if config.user_actions else TIMEOUT
        content = context.pool.markdown(config.form_content)
        return _outcome(config, action, given, content, {"content": content})

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return names_in(data.get("inputs"), "output_variable_name") | OWN_OUTPUTS

    def handles(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return names_in(data.get("user_actions"), "id") | {TIMEOUT}


def _due(config: HumanInputConfig) -> datetime | None:
    if not config.timeout:
        return None
    return datetime.now(UTC) + config.timeout * UNITS.get(config.timeout_unit, UNITS["hour"])


def _field(row: FormInput, pool: Pool) -> dict[str, Any]:
    name = row.output_variable_name
    return {
        "name": name,
        "type": row.type,
        "label": row.label or name,
        "required": bool(row.required),
        "default": _default(row.default, pool),
        "options": row.options or [],
    }


def _default(default: Any, pool: Pool) -> Any:
    if not isinstance(default, Mapping):
        return default
    if default.get("type") == "variable":
        return pool.value(default.get("selector") or default.get("value"))
    return default.get("value")


def _button(action: Action) -> dict[str, str]:
    return {"id": action.id, "title": action.title or action.id, "style": action.button_style}


def _outcome(
    config: HumanInputConfig,
    action: str,
    given: Mapping[str, Any],
    content: str,
    inputs: dict[str, Any],
) -> Outcome:
    fields = {
        row.output_variable_name: given.get(row.output_variable_name) for row in config.inputs
    }
    titles = {known.id: known.title or known.id for known in config.user_actions}
    rendered = PLACEHOLDER.sub(lambda match: str(fields.get(match[1]) or ""), content)
    outputs = {
        **fields,
        "__action_id": action,
        "__action_value": titles.get(action, ""),
        "__rendered_content": rendered,
    }
    return Outcome(outputs=outputs, handle=action, inputs=inputs)


KIND = HumanInputKind()
