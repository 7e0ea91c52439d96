"""Workflows and runs over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http.response import HttpResponseBase
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.api.access import OrgViewSet
from orgs.api.once import REPLAYED, idempotency_key
from workflows.actions import (
    check_flow,
    import_flow,
    move_workflow,
    publish_version,
    set_workflow_retention,
    start_run,
)
from workflows.actions.flows import MAX_BYTES, require_import
from workflows.actions.retention import kept_days
from workflows.api.control import GRANTED, ControlsRuns
from workflows.api.serializers import (
    AfterSerializer,
    EventSerializer,
    EventsSerializer,
    ImportedSerializer,
    ImportSerializer,
    MoveSerializer,
    PublishSerializer,
    RunDetailSerializer,
    RunFilter,
    RunSerializer,
    StartRunSerializer,
    VersionDetailSerializer,
    VersionSerializer,
    WorkflowFilter,
    WorkflowRetentionSerializer,
    WorkflowSerializer,
)
from workflows.api.trigger_shapes import WaitSerializer
from workflows.api.waiting import answer_when_over
from workflows.history.search import narrow_runs
from workflows.models import Event, Run, Step, Workflow, WorkflowVersion

RUN_EXAMPLE = OpenApiExample(
    "Start a run",
    request_only=True,
    value={"inputs": {"ticket": "My invoice is wrong."}, "query": ""},
)

KEEP_EXAMPLE = OpenApiExample("Keep for a month", request_only=True, value={"days": 30})
KEPT_EXAMPLE = OpenApiExample(
    "The organization keeps less", response_only=True, value={"days": 30, "kept_days": 14}
)


class WorkflowViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Guests list and read what was shared with them; the queryset says what that is."""

    serializer_class = WorkflowSerializer
    verbs = {"import_": "workflow.edit", "*": "workflow.view"}
    granted = frozenset(
        {"list", "retrieve", "versions", "publish", "runs", "move", "retention", "import_"}
    )
    own_keys = frozenset({"runs"})
    queryset = Workflow.objects.none()
    filters = WorkflowFilter
    columns = {"name": "name__icontains"}

    def get_queryset(self) -> QuerySet[Workflow]:
        return Workflow.objects.visible_to(self.actor).select_related("published")

    @extend_schema(
        request=MoveSerializer,
        responses={
            200: WorkflowSerializer,
            409: refusal("project_archived", "This project is archived."),
        },
    )
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        """Into another project; its runs come along."""
        form = MoveSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        workflow = move_workflow(
            actor=self.actor,
            workflow_id=self.get_object().pk,
            project_id=form.validated_data["project"],
        )
        return Response(WorkflowSerializer(workflow).data)

    @extend_schema(
        request=WorkflowRetentionSerializer,
        responses=WorkflowRetentionSerializer,
        examples=[KEEP_EXAMPLE, KEPT_EXAMPLE],
    )
    @action(detail=True, methods=["put"])
    def retention(self, request: Request, pk: str) -> Response:
        """How many days its finished runs are kept; older ones are deleted within minutes."""
        form = WorkflowRetentionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        workflow = set_workflow_retention(
            actor=self.actor, workflow_id=self.get_object().pk, **form.validated_data
        )
        kept = {"days": workflow.run_retention_days, "kept_days": kept_days(workflow)}
        return Response(WorkflowRetentionSerializer(kept).data)

    @extend_schema(
        request={"multipart/form-data": ImportSerializer},
        responses={
            200: ImportedSerializer,
            201: ImportedSerializer,
            404: refusal("not_found", "There is no such workflow."),
            503: refusal("scanner_unavailable", "The file could not be checked for malware."),
        },
    )
    @action(detail=False, methods=["post"], url_path="import", url_name="import")
    def import_(self, request: Request) -> Response:
        """Import a flow. `dry_run` answers with the report alone and stores nothing.

        Takes the right to edit in the project, or on the workflow that gets a new version.
        """
        require_import(self.actor)
        form = ImportSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        upload, name = form.validated_data["file"], form.validated_data["name"]
        raw = upload.read(MAX_BYTES + 1)  # one more than is allowed is enough to refuse it
        if form.validated_data["dry_run"]:
            checked = check_flow(actor=self.actor, raw=raw, filename=upload.name, name=name)
            report = checked.report
            return Response({"workflow": None, "version": None, "report": report})
        version = import_flow(
            actor=self.actor,
            raw=raw,
            filename=upload.name,
            name=name,
            workflow_id=form.validated_data["workflow"],
            project_id=form.validated_data["project"],
        )
        body = {
            "workflow": WorkflowSerializer(version.workflow).data,
            "version": VersionSerializer(version).data,
            "report": version.report,
        }
        return Response(body, status=status.HTTP_201_CREATED)

    @extend_schema(responses=VersionSerializer(many=True))
    @action(detail=True)
    def versions(self, request: Request, pk: str) -> Response:
        """Newest first, without their definitions."""
        rows = WorkflowVersion.objects.filter(workflow=self.get_object()).defer("definition")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(VersionSerializer(page, many=True).data)

    @extend_schema(request=PublishSerializer, responses=VersionSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        form = PublishSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data["version"]
        rows = WorkflowVersion.objects.filter(workflow=self.get_object())
        version = rows.filter(pk=wanted).first() if wanted else rows.order_by("-number").first()
        if version is None:
            raise exceptions.NotFound
        published = publish_version(actor=self.actor, version_id=version.pk)
        return Response(VersionSerializer(published).data)

    @extend_schema(
        request=StartRunSerializer,
        responses={
            201: RunSerializer,
            409: refusal("concurrency_conflict", "Another run with this concurrency key."),
        },
        examples=[RUN_EXAMPLE],
        parameters=[WaitSerializer],
    )
    @action(detail=True, methods=["post"])
    def runs(self, request: Request, pk: str) -> HttpResponseBase:
        """Start a run. The same `Idempotency-Key` answers with the same run."""
        asked = WaitSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        form = StartRunSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        run = start_run(
            actor=self.actor,
            workflow_id=self.get_object().pk,
            inputs=form.validated_data["inputs"],
            query=form.validated_data["query"],
            version_id=form.validated_data["version"],
            idempotency_key=idempotency_key(request),
            priority=form.validated_data["priority"],
            not_before=moment_of(form.validated_data),
        )
        again = {REPLAYED: "true"} if run.repeated else None
        if wait := asked.validated_data["wait"]:
            return answer_when_over(request, run, wait, again)
        return Response(RunSerializer(run).data, status=status.HTTP_201_CREATED, headers=again)


def moment_of(given: dict[str, Any]) -> datetime | None:
    """When a run is to start at the earliest."""
    if delay := given["delay"]:
        return now() + timedelta(seconds=delay)
    moment: datetime | None = given["not_before"]
    return moment


class VersionViewSet(mixins.RetrieveModelMixin, OrgViewSet):
    """One version with its definition, which never changes."""

    serializer_class = VersionDetailSerializer
    verbs = {"*": "workflow.view"}
    granted = frozenset({"retrieve"})
    queryset = WorkflowVersion.objects.none()

    def get_queryset(self) -> QuerySet[WorkflowVersion]:
        return WorkflowVersion.objects.visible_to(self.actor)


class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ControlsRuns):
    """Runs, newest first; one by itself with its steps in the order they ended."""

    serializer_class = RunSerializer
    verbs = {"*": "run.view"}
    granted = frozenset({"list", "retrieve", "events"}) | GRANTED
    own_keys = frozenset({"rerun"})
    lookup_field = "public_id"
    lookup_url_kwarg = "pk"
    lookup_value_converter = "uuid"
    queryset = Run.objects.none()
    filters = RunFilter

    @staticmethod
    def narrow(rows: QuerySet[Run], wanted: dict[str, Any]) -> QuerySet[Run]:
        return narrow_runs(rows, wanted)

    def get_queryset(self) -> QuerySet[Run]:
        rows = Run.objects.visible_to(self.actor)
        rows = rows.select_related("version").defer("version__definition", "version__report")
        if self.action == "retrieve":
            return rows.prefetch_related(Prefetch("steps", Step.objects.order_by("pk")))
        return rows

    def get_serializer_class(self) -> Any:
        return RunDetailSerializer if self.action == "retrieve" else RunSerializer

    @extend_schema(
        operation_id="runs_events_retrieve",
        responses=EventsSerializer,
        parameters=[AfterSerializer],
    )
    @action(detail=True)
    def events(self, request: Request, pk: str) -> Response:
        """The history in order; `?after=` the last number you have. At most 500 an answer."""
        form = AfterSerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        after = form.validated_data["after"]
        rows = Event.objects.filter(run=self.get_object(), seq__gt=after).order_by("seq")
        return Response({"results": EventSerializer(rows[:500], many=True).data})
