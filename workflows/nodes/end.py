"""End: the outputs of a workflow. Several ends may be reached; the run merges them."""

from collections.abc import Mapping
from typing import Any

from workflows.engine.references import Ref, Segment, Template
from workflows.nodes.base import Config, NodeContext, NodeKind, Outcome
from workflows.nodes.fields import Variables, names_in, values_of


class EndConfig(Config):
    outputs: Variables


class EndKind(NodeKind[EndConfig]):
    name = "end"
    config = EndConfig
    response = True

    async def run(self, context: NodeContext, config: EndConfig) -> Outcome:
        outputs = values_of(config.outputs, context.pool)
        return Outcome(outputs=outputs, inputs=outputs)

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return names_in(data.get("outputs"), "variable")

    def template(self, config: EndConfig) -> Template:
        """The values, a line break between each two."""
        parts: list[Segment] = []
        for item in config.outputs:
            if item.value_selector:
                parts += ["\n", Ref(item.value_selector)] if parts else [Ref(item.value_selector)]
        return tuple(parts)


KIND = EndKind()
