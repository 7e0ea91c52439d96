"""What happens to runs, as it happens: async views, which DRF cannot serve nor describe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET
from rest_framework import exceptions

from core.api import exception_handler
from core.errors import DomainError, NotFound
from orgs.access import require
from orgs.api.streams import stream_actor
from orgs.watch import while_allowed
from workflows.live import follow_run
from workflows.models import Run
from workflows.orglive import follow_organization


@require_GET
async def stream_run(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """`text/event-stream` of one run, resumable by `Last-Event-ID` (or `?after=`)."""
    try:
        actor = await stream_actor(request)
        if actor is None:
            raise exceptions.NotAuthenticated
        rows = Run.objects.visible_to(actor).select_related("workflow")
        run = await rows.filter(public_id=pk).afirst()
        if run is None:
            raise NotFound("There is no such run.")
    except (DomainError, exceptions.APIException) as error:
        return _refusal(error)
    frames = follow_run(run, _last(request, 10) or 0)
    return _streamed(while_allowed(actor, frames, run.workflow, "run.view"))


@require_GET
async def stream_runs(request: HttpRequest) -> HttpResponseBase:
    """`text/event-stream` of all runs the caller may see, resumable by `Last-Event-ID`."""
    try:
        actor = await stream_actor(request)
        if actor is None:
            raise exceptions.NotAuthenticated
        require(actor, "org.view" if actor.scopes is None else "run.view")
    except (DomainError, exceptions.APIException) as error:
        return _refusal(error)
    frames = follow_organization(actor, _last(request, 19))
    return _streamed(while_allowed(actor, frames))


def _streamed(frames: AsyncIterator[str]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(frames, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _last(request: HttpRequest, digits: int) -> int | None:
    last = request.headers.get("Last-Event-ID") or request.GET.get("after") or ""
    return number_of(last, digits)


def number_of(text: str, digits: int = 10) -> int | None:
    """An event's number of fewer than `digits`, or None for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < digits else None


def _refusal(error: Exception) -> JsonResponse:
    """The same body and status as DRF's views give."""
    answer: Any = exception_handler(error, {})
    status = 401 if isinstance(error, exceptions.NotAuthenticated) else answer.status_code
    return JsonResponse(answer.data, status=status)


FRAME = {
    "type": "object",
    "description": "One event; `data` is JSON.",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "string"},
    },
}


def describe_streams(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular hook: the stream beside the operations of DRF."""
    frames = (
        "id: 7\nevent: node.succeeded\n"
        'data: {"seq": 7, "kind": "node.succeeded", "node_id": "classify", '
        '"at": "2026-01-31T12:00:00+00:00", "data": {}}\n\n'
    )
    result["paths"]["/api/v1/runs/stream/"] = _of_organization()
    result["paths"]["/api/v1/runs/{id}/stream/"] = {
        "get": {
            "operationId": "runs_stream",
            "description": "Server-sent events of one run: first what is stored, then what "
            "happens, without a gap, until the run is over. `id` numbers the events from 1; text "
            "while it is written comes as `delta`, without an id.",
            "parameters": [
                {"name": "id", "in": "path", "required": True,
                 "schema": {"type": "string", "format": "uuid"}},
                {"name": "after", "in": "query", "required": False,
                 "description": "The number of the last event you have.",
                 "schema": {"type": "string", "pattern": "^[0-9]{0,9}$"}, "example": "6"},
                {"name": "Last-Event-ID", "in": "header", "required": False,
                 "description": "The same, as browsers send it when they come back.",
                 "schema": {"type": "string", "pattern": "^[0-9]{0,9}$"}, "example": "6"},
            ],
            "tags": ["runs"],
            "security": [{"apiKey": []}, {"accessToken": []}, {"session": []}],
            "responses": {
                "200": {
                    "description": "The stream.",
                    "content": {
                        "text/event-stream": {"schema": FRAME, "example": frames}
                    },
                }
            },
        }
    }  # fmt: skip
    return result


def _of_organization() -> dict[str, Any]:
    frames = (
        'id: 7801\nevent: run\ndata: {"run": "0192f0c1-0000-7000-8000-000000000001", '
        '"workflow": "0192f0c1-0000-7000-8000-000000000002", "state": "running", '
        '"kind": "run.started", "seq": 2, "at": "2026-01-31T12:00:00+00:00"}\n\n'
    )
    after = {"type": "string", "pattern": "^[0-9]{0,18}$"}
    return {
        "get": {
            "operationId": "runs_stream_all",
            "description": "Server-sent events of all runs you may see: each change of a run's "
            "state (`run`). `id` is a place to come back to: who sends it misses nothing, and may "
            "get again what was under way then. `open` says that the stream begins, `reset` that "
            "too much happened since: read the list anew.",
            "parameters": [
                {"name": "after", "in": "query", "required": False,
                 "description": "The last `id` you have.", "schema": after, "example": "7801"},
                {"name": "Last-Event-ID", "in": "header", "required": False,
                 "description": "The same, as browsers send it when they come back.",
                 "schema": after, "example": "7801"},
            ],
            "tags": ["runs"],
            "security": [{"apiKey": []}, {"accessToken": []}, {"session": []}],
            "responses": {
                "200": {
                    "description": "The stream.",
                    "content": {
                        "text/event-stream": {"schema": FRAME, "example": frames}
                    },
                }
            },
        }
    }  # fmt: skip
