"""Sharing one workflow with a person or a team."""

from __future__ import annotations

from orgs.api.sharing import SharingView, named
from workflows.models import Workflow


@named("workflow")
class GrantsView(SharingView):
    """Who a workflow was shared with; beside this, its project may have been shared as a whole."""

    verbs = {"*": "workflow.share"}
    model = Workflow
    verb = "workflow.share"
