"""Template: variables in, one text out, by Jinja."""

from collections.abc import Mapping
from typing import Any

from workflows.nodes.base import Config, NodeContext, NodeKind, Outcome
from workflows.nodes.fields import Text, Variables, values_of
from workflows.nodes.jinja import render


class TemplateConfig(Config):
    template: Text = ""
    variables: Variables


class TemplateKind(NodeKind[TemplateConfig]):
    name = "template-transform"
    config = TemplateConfig

    async def run(self, context: NodeContext, config: TemplateConfig) -> Outcome:
        inputs = values_of(config.variables, context.pool)
        text = await render(context, config.template, inputs)
        return Outcome(outputs={"output": text}, inputs=inputs)

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return frozenset({"output"})


KIND = TemplateKind()
