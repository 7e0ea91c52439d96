"""A run's events as they happen: an async view, which DRF cannot serve nor describe."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET
from rest_framework import exceptions

from core.api import exception_handler
from core.errors import DomainError, NotFound
from orgs.api.streams import stream_actor
from orgs.watch import while_key_lives
from workflows.live import follow_run
from workflows.models import Run


@require_GET
async def stream_run(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """`text/event-stream` of one run, resumable by `Last-Event-ID` (or `?after=`)."""
    try:
        actor = await stream_actor(request)
        if actor is None:
            raise exceptions.NotAuthenticated
        run = await Run.objects.visible_to(actor).filter(public_id=pk).afirst()
        if run is None:
            raise NotFound("There is no such run.")
    except (DomainError, exceptions.APIException) as error:
        return _refusal(error)
    last = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    frames = follow_run(run, number_of(last) or 0)
    if actor.api_key_id is not None:
        frames = while_key_lives(actor.api_key_id, frames)
    response = StreamingHttpResponse(frames, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def number_of(text: str) -> int | None:
    """An event's number, or None for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


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
