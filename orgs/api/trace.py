"""The trace search over HTTP."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import InvalidInput
from core.listing import query_text
from orgs.api.access import OrgAPIView
from orgs.trail_search import resolve
from orgs.trails import KEY, MOST, PAGE, Trail, read_trail, readable

TRACE = "0af7651916cd43dd8448eb211c80319c"


class ItemSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    at = serializers.DateTimeField()
    title = serializers.CharField()
    id = serializers.CharField()
    trace_id = serializers.CharField()
    state = serializers.CharField()
    cost = serializers.IntegerField(allow_null=True, help_text="nanos")
    ms = serializers.IntegerField(allow_null=True, help_text="how long it took")
    url = serializers.CharField(help_text="its page, relative; empty where it has none")
    user_id = serializers.UUIDField(allow_null=True)
    api_key_id = serializers.UUIDField(allow_null=True)
    data = serializers.JSONField()  # type: ignore[assignment]  # named as in the answer


class ClueSerializer(serializers.Serializer[Any]):
    """Something the id names, and the trace it lies under."""

    trace_id = serializers.CharField()
    kind = serializers.CharField()
    title = serializers.CharField()
    at = serializers.DateTimeField()


class TrailSerializer(serializers.Serializer[Any]):
    trace_id = serializers.CharField(help_text="empty when several traces could be meant")
    candidates = ClueSerializer(many=True)
    more_candidates = serializers.BooleanField()
    results = ItemSerializer(many=True)
    next = serializers.CharField(help_text="the cursor of the next page; empty when this is all")


EXAMPLE = OpenApiExample(
    "A run that called a model",
    response_only=True,
    value={
        "trace_id": TRACE,
        "candidates": [],
        "more_candidates": False,
        "results": [
            {
                "kind": "run",
                "at": "2026-11-20T12:00:00Z",
                "title": "Support mail",
                "id": "0192f0c1-0000-7000-8000-000000000010",
                "trace_id": TRACE,
                "state": "succeeded",
                "cost": 42000,
                "ms": 1830,
                "url": "/runs/0192f0c1-0000-7000-8000-000000000010/",
                "user_id": None,
                "api_key_id": "0192f0c1-0000-7000-8000-000000000004",
                "data": {"trigger": "api", "steps": 4, "tokens": 812, "error": None},
            }
        ],
        "next": "",
    },
)


class TraceView(OrgAPIView):
    """Everything an id leads to that the caller may see, in order of time.

    The id is a trace id, an X-Request-ID, or that of a run, step (`run:<run>:<node>:`), hold,
    ledger entry, task, decision, comment, audit entry or API key (or its prefix), or a model
    call's reference. What belongs to others, and what there is not, leads to an empty answer.
    """

    verbs = {"*": "org.view"}

    @extend_schema(
        operation_id="trace_retrieve",
        responses=TrailSerializer,
        parameters=[
            OpenApiParameter("kind", str, many=True, description="only these kinds"),
            OpenApiParameter("cursor", str, description="`next` of the page before"),
            OpenApiParameter("limit", int, description=f"1 to {MOST}, else {PAGE}"),
        ],
        examples=[EXAMPLE],
    )
    def get(self, request: Request, trace_id: str) -> Response:
        found = resolve(self.actor, trace_id)
        trail = Trail([])
        kinds, cursor, limit = self._kinds(request), query_text(request, "cursor"), _limit(request)
        if found.traces and not found.undecided:
            trail = read_trail(self.actor, found.traces, kinds, cursor, limit)
        return Response(
            {
                "trace_id": "" if found.undecided else "".join(found.traces),
                "candidates": ClueSerializer(
                    found.clues if found.undecided else (), many=True
                ).data,
                "more_candidates": found.more,
                "results": ItemSerializer(trail.items, many=True).data,
                "next": trail.next,
            }
        )

    def _kinds(self, request: Request) -> list[str]:
        known = [KEY, *(source.kind for source in readable(self.actor))]
        kinds: list[str] = request.query_params.getlist("kind")
        wrong = sorted(set(kinds) - set(known))
        if wrong:
            raise InvalidInput("There is no such kind.", kind=wrong[0][:60], known=known)
        return kinds


def _limit(request: Request) -> int:
    text = query_text(request, "limit")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else PAGE
