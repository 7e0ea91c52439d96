"""Loop start: where each round begins."""

from workflows.nodes.markers import Marker


class LoopStartKind(Marker):
    name = "loop-start"


KIND = LoopStartKind()
