"""Loop end: the loop is over, whatever rounds were left."""

from workflows.nodes.markers import Marker


class LoopEndKind(Marker):
    name = "loop-end"
    breaks = True


KIND = LoopEndKind()
