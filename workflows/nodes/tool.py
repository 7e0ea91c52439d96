"""Tool: a connector from elsewhere. It is imported unbound; only a bound one can run."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from workflows.engine.references import Ref
from workflows.nodes.base import Config, NodeContext, NodeFailed, NodeKind, Outcome
from workflows.nodes.fields import Text


class ToolConfig(Config):
    provider_id: Text = ""
    provider_name: Text = ""
    tool_name: Text = ""
    tool_label: Text = ""
    tool_parameters: dict[str, Any] | None = Field(default_factory=dict)
    tool_configurations: dict[str, Any] | None = Field(default_factory=dict)


class ToolKind(NodeKind[ToolConfig]):
    name = "tool"
    config = ToolConfig
    effect = True
    retryable = True
    mocked = True

    def connector(self, context: NodeContext, config: ToolConfig) -> str:
        return config.tool_name.lower()

    async def run(self, context: NodeContext, config: ToolConfig) -> Outcome:
        message = f"The tool {config.tool_name} of {config.provider_id} is not bound to anything"
        inputs = parameters_of(context, config)
        raise NodeFailed(message, code="tool_unbound", inputs=inputs, retryable=False)

    def mock(self, context: NodeContext, config: ToolConfig, reads: tuple[Ref, ...]) -> Outcome:
        label = f"<tool:{context.node.id}>"
        outputs: dict[str, Any] = {
            ref.path[1]: f"<{context.node.id}.{ref.path[1]}>" for ref in reads
        }
        outputs |= {"text": label, "files": [], "json": [{"result": label}]}
        return Outcome(outputs=outputs, inputs=parameters_of(context, config))

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return None


def parameters_of(context: NodeContext, config: ToolConfig) -> dict[str, Any]:
    """Parameters with their variables filled in; plain ones are templates too."""
    given = {**(config.tool_configurations or {}), **(config.tool_parameters or {})}
    return {name: _parameter(context, value) for name, value in given.items()}


def _parameter(context: NodeContext, value: Any) -> Any:
    if isinstance(value, Mapping) and "value" in value:
        if value.get("type") == "variable":
            return context.pool.value(value["value"])
        value = value["value"]
    return context.pool.text(value) if isinstance(value, str) else value


KIND = ToolKind()
