"""What effect nodes reach in earnest: the gateway, the guarded HTTP client, the sandbox, people."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import close_old_connections, transaction

from bpm.actions import cancel_tasks, open_task
from core.errors import NotFound
from core.http import send
from llm.gateway.calls import ModelCall, close_gateway, complete
from orgs.access import Actor
from orgs.returning import acting_for
from workflows.actions.runs import Parent, start_run
from workflows.errors import RunFinished, TooDeep
from workflows.models import Run, Signal, Workflow
from workflows.nodes.services import (
    NodeChildRequest,
    NodeHttpRequest,
    NodeHttpResponse,
    NodeModelAnswer,
    NodeModelCall,
    NodeTaskRequest,
)
from workflows.runtime.rates import Rates
from workflows.runtime.sweep import HUMAN_INPUT, subject_of
from workflows.sandbox import run_code as run_in_sandbox

DEEPEST = 10
"""Runs that start runs: how many of them stand above each other at most."""
GENERATION = re.compile(r":g\d+$")
DEFAULT_CANDIDATES = ["role:approver", "role:admin", "role:owner"]
DEFAULT_ACTIONS = [
    {"id": "approve", "title": "Approve", "style": "primary"},
    {"id": "reject", "title": "Reject", "style": "default"},
]


class RunServices:
    """One for all runs of a worker. Every effect carries the node's own idempotency key."""

    def __init__(self) -> None:
        self._rates = Rates()

    async def complete_model(self, call: NodeModelCall) -> NodeModelAnswer:
        run = call.run
        answer = await complete(
            ModelCall(
                organization_id=run.organization_id,
                model=call.model,
                messages=call.messages,
                params=call.params,
                billing_ref=call.billing_ref,
                trace_id=run.trace_id,
                run_id=run.run_id,
                node_id=call.node_id,
                actor=actor_of_run(run),
                on_delta=call.on_delta,
            )
        )
        return NodeModelAnswer(
            text=answer.text,
            reasoning=answer.reasoning,
            finish_reason=answer.finish_reason,
            usage=dict(answer.usage),
            cost=answer.cost,
        )

    async def send_http(self, request: NodeHttpRequest) -> NodeHttpResponse:
        own = {"Idempotency-Key": request.idempotency_key, "X-Request-ID": request.run.trace_id}
        headers = {name: value for name, value in request.headers if value}
        named = {name.lower() for name in headers}
        headers |= {name: value for name, value in own.items() if name.lower() not in named}
        answer = await send(
            request.method,
            request.url,
            headers=headers,
            params=list(request.params),
            data=request.body,
            timeout=request.timeout,
            max_bytes=request.max_bytes,
            verify=request.verify,
        )
        return NodeHttpResponse(answer.status, answer.headers, answer.body, str(answer.url))

    async def run_code(
        self,
        language: str,
        code: str,
        variables: dict[str, Any],
        timeout: float,
        heard: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        return await run_in_sandbox(language, code, variables, timeout=timeout, heard=heard)

    async def open_human_task(self, request: NodeTaskRequest) -> str:
        await in_thread(_open, request)
        return request.key

    async def start_child(self, request: NodeChildRequest) -> str:
        return str(await in_thread(_start_child, request))

    async def admit(self, run: Any, kind: str, connector: str) -> float:
        return await self._rates.admit(UUID(str(run.organization_id)), kind, connector)

    async def close_human_task(self, key: str) -> bool:
        return bool(await in_thread(_close, key))

    async def close(self) -> None:
        await close_gateway()


def actor_of_run(run: Any) -> Actor:
    """Whoever started the run; the system for a run nobody in particular started."""
    claimed = run.actor
    return Actor(
        organization_id=UUID(str(run.organization_id)),
        user_id=getattr(claimed, "started_by_id", None),
        api_key_id=getattr(claimed, "api_key_id", None),
    )


@transaction.atomic
def _open(request: NodeTaskRequest) -> None:
    run = request.run
    _require_owned(run)
    open_task(
        organization_id=UUID(run.organization_id),
        kind=HUMAN_INPUT,
        subject_id=subject_of(run.run_id, request.node_id, request.iteration),
        title=request.title,
        idempotency_key=request.key,
        requester_id=getattr(run.actor, "started_by_id", None),
        project_id=Workflow.objects.values_list("project_id", flat=True).get(runs=run.actor.pk),
        candidates=request.candidates or DEFAULT_CANDIDATES,
        actions=request.actions or DEFAULT_ACTIONS,
        form={"content": request.content, "inputs": request.inputs},
        snapshot={"inputs": dict(run.inputs)},
        due_at=request.due_at,
        trace_id=run.trace_id,
    )


@transaction.atomic
def _start_child(request: NodeChildRequest) -> UUID:
    """The child acts for whoever its parent acts for, with what they may do now."""
    run = request.run
    _require_owned(run)
    if _generations(run.actor.parent_id) >= DEEPEST:
        raise TooDeep("Workflows start each other too deep.", most=DEEPEST)
    actor = acting_for(
        UUID(str(run.organization_id)), run.actor.started_by_id, run.actor.api_key_id
    )
    if actor is None:
        raise NotFound("Whoever started this run is no longer here.")
    child = start_run(
        actor=actor,
        workflow_id=_uuid(request.workflow),
        inputs=request.inputs,
        query=request.query,
        trigger=Run.Trigger.PARENT,
        idempotency_key=request.key,
        parent=Parent(run.actor.pk, request.node_id, request.iteration, request.close),
    )
    return child.public_id


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no such workflow.") from None


def _generations(parent_id: int | None) -> int:
    count = 0
    while parent_id is not None and count <= DEEPEST:
        count += 1
        parent_id = Run.objects.values_list("parent_id", flat=True).filter(pk=parent_id).first()
    return count


def _require_owned(run: Any) -> None:
    """Hold the run's row until its question is asked: nobody is asked for a run that ended."""
    claimed = run.actor
    held = Run.objects.select_for_update().filter(
        pk=claimed.pk, epoch=claimed.epoch, state=Run.State.RUNNING
    )
    if not held.values_list("pk", flat=True).first():
        raise RunFinished("The run is over, or another worker has it.")


@transaction.atomic
def _close(key: str) -> bool:
    _, run_id, rest = GENERATION.sub("", key).split(":", 2)
    node_id, _, iteration = rest.rpartition(":")
    subject = subject_of(run_id, node_id, iteration)
    cancel_tasks(kind=HUMAN_INPUT, subject_id=subject, reason="Time is up.")
    answers = Signal.objects.filter(run__public_id=run_id, node_id=node_id, iteration=iteration)
    return not answers.exists()


async def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    """Run database work beside the loop and give its connection back afterwards."""

    def call() -> Any:
        try:
            return work(*args)
        finally:
            close_old_connections()

    return await asyncio.to_thread(call)
