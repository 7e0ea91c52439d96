"""Iteration start: where each item's round begins."""

from workflows.nodes.markers import Marker


class IterationStartKind(Marker):
    name = "iteration-start"


KIND = IterationStartKind()
