"""Exports over HTTP: start one, watch it, take its file away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from files.actions import cancel_export, download_export, start_export
from files.attachment import Attachment, attachment_of
from files.models import Export
from files.sources import all_sources, require_source, source_of
from orgs.api.access import OrgViewSet

EXPORT = {
    "id": "0192f0c1-7a3b-7000-8000-00000000000e",
    "source": "audit",
    "format": "csv",
    "filters": {"category": "orgs", "since": "2026-11-01T00:00:00+00:00"},
    "state": "running",
    "done": 12_000,
    "total": 48_210,
    "percent": 24,
    "error": "",
    "file": None,
    "created_at": "2026-11-20T12:00:00Z",
    "finished_at": None,
    "expires_at": None,
}
SHOWN = OpenApiExample("An export under way", value=EXPORT, response_only=True)
ASKED = OpenApiExample(
    "This month's changes of people and keys",
    value={"source": "audit", "format": "csv", "filters": {"category": "orgs"}},
    request_only=True,
)


class ExportSerializer(serializers.ModelSerializer[Export]):
    percent = serializers.IntegerField(read_only=True)
    filters = serializers.DictField(read_only=True)

    class Meta:
        model = Export
        fields = (
            "id", "source", "format", "filters", "state", "done", "total", "percent", "error",
            "file", "created_at", "finished_at", "expires_at",
        )  # fmt: skip
        read_only_fields = fields


class StartExportSerializer(serializers.Serializer[Any]):
    source = serializers.CharField(  # type: ignore[assignment]  # the name is the public one
        max_length=40
    )
    format = serializers.ChoiceField(choices=Export.Format.choices)
    filters = serializers.DictField(required=False, default=dict)


class SourceSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the name is the public one
    columns = serializers.ListField(child=serializers.CharField())


@extend_schema_view(
    list=extend_schema(summary="List exports, newest first", examples=[SHOWN]),
    retrieve=extend_schema(summary="Show how far an export is", examples=[SHOWN]),
)
class ExportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Files made in the background. Each needs the right to what is in it (`audit`: `audit.view`).

    Poll until `state` is `succeeded`; the file is there for seven days. Refusals:
    `too_many_exports`, `export_finished` and `export_not_ready` (409).
    """

    serializer_class = ExportSerializer
    granted = frozenset(
        {"list", "create", "retrieve", "cancel", "download", "sources"}
    )  # each asks for its source's verb
    queryset = Export.objects.none()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Export]:
        if self.action == "list":
            return Export.objects.visible_to(self.actor)
        return Export.objects.of(self.actor.organization_id)

    def get_object(self) -> Export:
        export: Export = super().get_object()
        require_source(self.actor, source_of(export.source))
        return export

    @extend_schema(
        summary="Start an export",
        request=StartExportSerializer,
        responses={
            202: ExportSerializer,
            404: refusal("not_found", "There is no such source to export."),
            409: refusal("too_many_exports", "Wait until an earlier export is done.", most=5),
        },
        examples=[ASKED, SHOWN],
    )
    def create(self, request: Request) -> Response:
        given = StartExportSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        export = start_export(
            actor=self.actor,
            source=asked["source"],
            fmt=asked["format"],
            filters=asked["filters"],
        )
        return Response(ExportSerializer(export).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Cancel an export",
        request=None,
        responses={
            200: ExportSerializer,
            409: refusal("export_finished", "This export is over already.", state="succeeded"),
        },
        examples=[SHOWN],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        export = cancel_export(actor=self.actor, export_id=UUID(str(pk)))
        return Response(ExportSerializer(export).data)

    @extend_schema(
        summary="Download an export's file",
        responses={
            (200, "*/*"): OpenApiTypes.BINARY,
            409: refusal("export_not_ready", "This export has no file (any more)."),
            410: refusal("file_gone", "The file's content is no longer in the storage."),
            503: refusal("storage_unavailable", "The storage does not answer."),
        },
        examples=[OpenApiExample("Comma-separated values", value="id,at,event\r\n")],
    )
    @action(detail=True, methods=["get"])
    def download(self, request: Request, pk: str) -> Attachment:
        return attachment_of(*download_export(actor=self.actor, export_id=UUID(str(pk))))

    @extend_schema(summary="List what can be exported", responses=SourceSerializer(many=True))
    @action(detail=False, methods=["get"], pagination_class=None)
    def sources(self, request: Request) -> Response:
        return Response(
            [
                {"name": source.name, "label": str(source.label), "columns": source.columns}
                for source in all_sources()
                if source.allows(self.actor)
            ]
        )
