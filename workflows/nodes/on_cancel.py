"""On cancel: a cancelled run goes on from here, to clean up."""

from workflows.nodes.markers import Marker


class OnCancelKind(Marker):
    name = "on-cancel"


KIND = OnCancelKind()
