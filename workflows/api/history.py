"""What runs leave behind, over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.api.access import OrgViewSet
from workflows.actions import set_searchable
from workflows.api.history_shapes import (
    MOST_LINES,
    CompareAskedSerializer,
    ComparisonSerializer,
    LogLinesSerializer,
    LogsAskedSerializer,
    RunStatisticsSerializer,
    SearchableSerializer,
    StatisticsAskedSerializer,
    TimelineSerializer,
)
from workflows.history.compare import compare_runs
from workflows.history.logs import lines_of
from workflows.history.statistics import PERIODS, read_statistics
from workflows.history.timeline import timeline_of
from workflows.models import Run, Workflow

_SAME: dict[str, Any] = {"same": True, "differences": [], "more": False}
_LEFT = {
    "id": "0192f0c1-0000-7000-8000-000000000001",
    "workflow": "0192f0c1-0000-7000-8000-000000000002",
    "version": "0192f0c1-0000-7000-8000-000000000003",
    "version_number": 3,
    "state": "succeeded",
    "duration_ms": 1840,
    "cost": 250_000,
    "tokens": 412,
}
_STEP = {
    "status": "succeeded",
    "attempts": 1,
    "duration_ms": 900,
    "cost": 250_000,
    "error_code": "",
}
COMPARED = OpenApiExample(
    "The same inputs, another version",
    response_only=True,
    value={
        "left": _LEFT,
        "right": _LEFT | {"id": "0192f0c1-0000-7000-8000-000000000004", "version_number": 4},
        "same_version": False,
        "inputs": _SAME,
        "outputs": {
            "same": False,
            "differences": [{"path": "category", "left": "refund", "right": "other", "only": ""}],
            "more": False,
        },
        "error": _SAME,
        "nodes": [
            {
                "node_id": "classify",
                "iteration": "",
                "kind": "llm",
                "same": True,
                "left": _STEP,
                "right": _STEP | {"duration_ms": 1100},
                "outputs": _SAME,
            }
        ],
        "more_nodes": False,
    },
)


class RunHistoryViewSet(OrgViewSet):
    """Statistics of all runs; timeline, comparison and log lines of one."""

    serializer_class = TimelineSerializer
    verbs = {"*": "run.view"}
    granted = frozenset({"statistics", "timeline", "compare", "logs"})
    lookup_field = "public_id"
    lookup_url_kwarg = "pk"
    lookup_value_converter = "uuid"
    queryset = Run.objects.none()
    pagination_class = None
    filter_backends = ()

    def get_queryset(self) -> QuerySet[Run]:
        return Run.objects.visible_to(self.actor).select_related("version")

    @extend_schema(
        operation_id="runs_statistics_retrieve",
        parameters=[StatisticsAskedSerializer],
        responses={
            200: RunStatisticsSerializer,
            404: refusal("not_found", "There is no such workflow."),
        },
    )
    @action(detail=False)
    def statistics(self, request: Request) -> Response:
        """Counts, success, durations, cost and errors of what ended; some seconds late.

        Each end of a run counts. Days are UTC; lists name the 50 busiest.
        """
        asked = _asked(StatisticsAskedSerializer, request)
        workflow = None
        if asked["workflow"]:
            rows = Workflow.objects.visible_to(self.actor, "run.view")
            workflow = rows.filter(pk=asked["workflow"]).first()
            if workflow is None:
                raise NotFound
        found = read_statistics(self.actor, PERIODS[asked["period"]], workflow)
        return Response(RunStatisticsSerializer(found.as_json()).data)

    @extend_schema(operation_id="runs_timeline_retrieve", responses=TimelineSerializer)
    @action(detail=True)
    def timeline(self, request: Request, pk: str) -> Response:
        """When each node was at work, in milliseconds from the begin.

        Of a node with a great many steps those are drawn together that lie close.
        """
        found = timeline_of(self.get_object())
        return Response(TimelineSerializer(found.as_json()).data)

    @extend_schema(
        operation_id="runs_compare_retrieve",
        parameters=[CompareAskedSerializer],
        responses=ComparisonSerializer,
        examples=[COMPARED],
    )
    @action(detail=True)
    def compare(self, request: Request, pk: str) -> Response:
        """This run on the left, the `other` on the right; at most 100 differences a value."""
        left = self.get_object()
        asked = _asked(CompareAskedSerializer, request)
        right = self.get_queryset().filter(public_id=asked["other"]).first()
        if right is None:
            raise NotFound
        return Response(ComparisonSerializer(compare_runs(left, right).as_json()).data)

    @extend_schema(
        operation_id="runs_logs_retrieve",
        parameters=[LogsAskedSerializer],
        responses=LogLinesSerializer,
    )
    @action(detail=True)
    def logs(self, request: Request, pk: str) -> Response:
        """What the nodes said, in order; at most 500 an answer."""
        asked = _asked(LogsAskedSerializer, request)
        lines, more = lines_of(self.get_object(), limit=MOST_LINES, **asked)
        return Response(LogLinesSerializer({"results": lines, "more": more}).data)


class SearchableViewSet(OrgViewSet):
    """By which of its values the runs of a workflow are found."""

    serializer_class = SearchableSerializer
    verbs = {"*": "workflow.view"}
    granted = frozenset({"searchable"})
    lookup_value_converter = "uuid"
    queryset = Workflow.objects.none()

    def get_queryset(self) -> QuerySet[Workflow]:
        return Workflow.objects.visible_to(self.actor)

    @extend_schema(request=SearchableSerializer, responses=SearchableSerializer)
    @action(detail=True, methods=["put"])
    def searchable(self, request: Request, pk: str) -> Response:
        """Find runs by these values. Holds for runs that start or end from now on."""
        form = SearchableSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        workflow = set_searchable(
            actor=self.actor,
            workflow_id=self.get_object().pk,
            values=form.validated_data["searchable"],
        )
        return Response(SearchableSerializer(workflow).data)


def _asked(kind: Any, request: Request) -> dict[str, Any]:
    form = kind(data=request.query_params)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)
