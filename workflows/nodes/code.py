"""Code: a function of the flow's author, run in the confined process."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import Field

from workflows.engine.references import Ref
from workflows.nodes.base import Config, NodeContext, NodeKind, Outcome
from workflows.nodes.code_outputs import checked_outputs
from workflows.nodes.fields import Text, Variables, values_of
from workflows.nodes.samples import sample

SECONDS = 15.0
MOST_LINES = 200
"""Of what one call prints; the rest is dropped."""


class Output(Config):
    type: Text = "string"
    children: dict[str, Any] | None = None


class CodeConfig(Config):
    code: Text = ""
    code_language: Text = "python3"
    variables: Variables
    outputs: dict[str, Output] | None = Field(default_factory=dict)

    @property
    def declared(self) -> dict[str, Any]:
        return {name: output.model_dump() for name, output in (self.outputs or {}).items()}


def _hear(context: NodeContext, printed: str) -> None:
    """What the code printed, a line of the log each."""
    for line in printed.splitlines()[:MOST_LINES]:
        if line.strip():
            context.log("info", line)


class CodeKind(NodeKind[CodeConfig]):
    name = "code"
    config = CodeConfig
    effect = True
    retryable = True
    mocked = True

    async def run(self, context: NodeContext, config: CodeConfig) -> Outcome:
        inputs = values_of(config.variables, context.pool)
        result = await context.services.run_code(
            config.code_language, config.code, inputs, SECONDS, partial(_hear, context)
        )
        return Outcome(outputs=checked_outputs(result, config.declared), inputs=inputs)

    def mock(self, context: NodeContext, config: CodeConfig, reads: tuple[Ref, ...]) -> Outcome:
        label = context.node.id
        outputs = {
            name: sample(output.type, f"<{label}.{name}>")
            for name, output in (config.outputs or {}).items()
        }
        return Outcome(outputs=outputs, inputs=values_of(config.variables, context.pool))

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return frozenset(data.get("outputs") or ())


KIND = CodeKind()
