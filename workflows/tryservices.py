"""Services in earnest for a run from the command line, which no worker and no inbox knows of.

Nobody can be asked: a flow that asks a person rests there, and so its run ends as `waiting`.
"""

from llm.offline import write_answer
from orgs.models import Organization
from workflows.nodes.base import NodeFailed
from workflows.nodes.services import (
    NodeChildRequest,
    NodeModelAnswer,
    NodeModelCall,
    NodeTaskRequest,
)
from workflows.runtime.services import RunServices


class OrganizationServices(RunServices):
    """Models of an organization, paid from its wallet."""

    async def open_human_task(self, request: NodeTaskRequest) -> str:
        return request.key

    async def close_human_task(self, key: str) -> bool:
        return True  # nothing was opened

    async def start_child(self, request: NodeChildRequest) -> str:
        raise NodeFailed("A trial starts no other runs", code="no_services", retryable=False)


class OfflineServices(OrganizationServices):
    """Without an organization every model is the built-in one; it says so in its answers."""

    async def complete_model(self, call: NodeModelCall) -> NodeModelAnswer:
        body = {"model": call.model, "messages": call.messages, **call.params}
        text, finish_reason, usage = write_answer(body)
        if call.on_delta:
            call.on_delta(text)
        return NodeModelAnswer(text, finish_reason=finish_reason, usage=usage)


def organization_id(slug: str) -> str | None:
    found = Organization.objects.filter(slug=slug).values_list("pk", flat=True).first()
    return str(found) if found else None
