"""Nodes that mark a place: where a round begins or breaks off, where clean-up starts."""

from workflows.nodes.base import Config, NodeContext, NodeKind, Outcome


class Marker(NodeKind[Config]):
    config = Config

    async def run(self, context: NodeContext, config: Config) -> Outcome:
        return Outcome(outputs={})
