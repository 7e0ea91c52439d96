"""Workflows, runs and traces over HTTP."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import exceptions, mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api import error_body, query_text
from core.errors import DomainError, InvalidInput
from core.schema import refusal
from orgs.api.access import OrgAPIView, OrgViewSet
from orgs.api.streams import stream_actor
from workflows.actions import (
    cancel_run,
    import_flow,
    move_workflow,
    publish_version,
    read_flow,
    start_run,
)
from workflows.actions.flows import MAX_BYTES
from workflows.api.serializers import (
    CancelRunSerializer,
    EventSerializer,
    ImportedSerializer,
    ImportSerializer,
    MoveSerializer,
    PublishSerializer,
    RunDetailSerializer,
    RunSerializer,
    StartRunSerializer,
    TrailSerializer,
    VersionDetailSerializer,
    VersionSerializer,
    WorkflowSerializer,
)
from workflows.live import follow_run
from workflows.models import Event, Run, Step, Workflow, WorkflowVersion
from workflows.trace import find_trail

TRACE_ID = re.compile(r"[0-9a-f]{32}")
RUN_EXAMPLE = OpenApiExample(
    "Start a run",
    request_only=True,
    value={"inputs": {"ticket": "My invoice is wrong."}, "query": ""},
)


class WorkflowViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Guests list and read what was shared with them; the queryset says what that is."""

    serializer_class = WorkflowSerializer
    verbs = {"import_": "workflow.edit", "*": "workflow.view"}
    granted = frozenset({"list", "retrieve", "versions", "publish", "runs", "move"})
    queryset = Workflow.objects.none()

    def get_queryset(self) -> QuerySet[Workflow]:
        found = Workflow.objects.visible_to(self.actor).select_related("published")
        if name := query_text(self.request, "name"):
            found = found.filter(name__icontains=name)
        if project := query_text(self.request, "project"):
            found = found.filter(project_id=_uuid(project, "project"))
        return found

    @extend_schema(parameters=[OpenApiParameter("name", str), OpenApiParameter("project", UUID)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

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
        request={"multipart/form-data": ImportSerializer},
        responses={200: ImportedSerializer, 201: ImportedSerializer},
    )
    @action(detail=False, methods=["post"], url_path="import", url_name="import")
    def import_(self, request: Request) -> Response:
        """Import a flow. `dry_run` answers with the report alone and stores nothing."""
        form = ImportSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        upload, name = form.validated_data["file"], form.validated_data["name"]
        raw = upload.read(MAX_BYTES + 1)  # one more than is allowed is enough to refuse it
        if form.validated_data["dry_run"]:
            report = read_flow(raw, name=name).report
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
        responses={201: RunSerializer},
        examples=[RUN_EXAMPLE],
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
    )
    @action(detail=True, methods=["post"])
    def runs(self, request: Request, pk: str) -> Response:
        """Start a run. The same `Idempotency-Key` answers with the same run."""
        form = StartRunSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        run = start_run(
            actor=self.actor,
            workflow_id=self.get_object().pk,
            inputs=form.validated_data["inputs"],
            query=form.validated_data["query"],
            version_id=form.validated_data["version"],
            idempotency_key=_key_of(request),
        )
        return Response(RunSerializer(run).data, status=status.HTTP_201_CREATED)


def _key_of(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > 120:
        raise InvalidInput("An idempotency key has at most 120 characters.")
    return key or None


class VersionViewSet(mixins.RetrieveModelMixin, OrgViewSet):
    """One version with its definition, which never changes."""

    serializer_class = VersionDetailSerializer
    verbs = {"*": "workflow.view"}
    granted = frozenset({"retrieve"})
    queryset = WorkflowVersion.objects.none()

    def get_queryset(self) -> QuerySet[WorkflowVersion]:
        return WorkflowVersion.objects.visible_to(self.actor)


class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Runs, newest first; one by itself with its steps in the order they ended."""

    serializer_class = RunSerializer
    verbs = {"*": "run.view"}
    granted = frozenset({"list", "retrieve", "events", "cancel"})
    lookup_field = "public_id"
    lookup_url_kwarg = "pk"
    lookup_value_converter = "uuid"
    queryset = Run.objects.none()

    def get_queryset(self) -> QuerySet[Run]:
        wanted: dict[str, Any] = {
            name: text for name in ("state", "trace_id") if (text := query_text(self.request, name))
        }
        if workflow := query_text(self.request, "workflow"):
            wanted["workflow_id"] = _uuid(workflow, "workflow")
        rows = Run.objects.visible_to(self.actor).filter(**wanted)
        rows = rows.select_related("version").defer("version__definition", "version__report")
        if self.action == "retrieve":
            return rows.prefetch_related(Prefetch("steps", Step.objects.order_by("pk")))
        return rows

    def get_serializer_class(self) -> Any:
        return RunDetailSerializer if self.action == "retrieve" else RunSerializer

    @extend_schema(
        parameters=[
            OpenApiParameter("state", str, enum=Run.State.values),
            OpenApiParameter("workflow", UUID),
            OpenApiParameter("trace_id", str),
        ]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(
        responses=EventSerializer(many=True), parameters=[OpenApiParameter("after", int)]
    )
    @action(detail=True)
    def events(self, request: Request, pk: str) -> Response:
        """The history in order; `?after=` the last number you have. At most 500 an answer."""
        asked = request.query_params.get("after", "0")
        after = _number(asked)
        if after is None:
            raise InvalidInput("`after` is a number.", after=asked[:60])
        rows = Event.objects.filter(run=self.get_object(), seq__gt=after).order_by("seq")
        return Response({"results": EventSerializer(rows[:500], many=True).data})

    @extend_schema(request=CancelRunSerializer, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End a run now; what it asked of people is taken back."""
        form = CancelRunSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        run = cancel_run(
            actor=self.actor,
            run_id=self.get_object().public_id,
            reason=form.validated_data["reason"],
        )
        return Response(RunSerializer(run).data)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _uuid(text: str, name: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("This is not an id.", **{name: text[:60]}) from None


class TraceView(OrgAPIView):
    """Everything under one trace id that the caller may see, in order of time."""

    verbs = {"*": "run.view"}

    @extend_schema(responses=TrailSerializer(many=True))
    def get(self, request: Request, trace_id: str) -> Response:
        if not TRACE_ID.fullmatch(trace_id):
            raise InvalidInput("A trace id has 32 hexadecimal characters.", trace_id=trace_id[:60])
        trail = find_trail(self.actor, trace_id)
        return Response({"trace_id": trace_id, "results": TrailSerializer(trail, many=True).data})


@require_GET
async def stream_run(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """`text/event-stream` of one run, resumable by `Last-Event-ID` (or `?after=`)."""
    try:
        actor = await stream_actor(request)
    except exceptions.APIException as error:
        return _refusal("authentication_failed", str(error.detail), error.status_code)
    except DomainError as error:
        return _refusal(error.code, error.message, error.status)
    if actor is None:
        return _refusal("not_authenticated", "Sign in or send a key.", 401)
    run = await Run.objects.visible_to(actor).filter(public_id=pk).afirst()
    if run is None:
        return _refusal("not_found", "There is no such run.", 404)
    last = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    response = StreamingHttpResponse(
        follow_run(run, _number(last) or 0), content_type="text/event-stream"
    )
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _refusal(code: str, message: str, status_code: int) -> JsonResponse:
    return JsonResponse(error_body(code, message), status=status_code)
