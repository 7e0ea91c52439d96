"""Files over HTTP: find what the caller may see, show it or hand its content out."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request

from core.schema import refusal
from files.actions import hand_out
from files.api.serializers import FileQuerySerializer, StoredFileSerializer
from files.attachment import Attachment, attachment_of
from files.models import StoredFile
from orgs.api.access import OrgViewSet

FILE = {
    "id": "0192f0c1-7a3b-7000-8000-00000000000f",
    "name": "support.yml",
    "content_type": "application/yaml",
    "size": 4711,
    "sha256": "6fd977db9b2afe87a9ceee48432881299a6aaf83d935fbbe83007660287f9c2e",
    "kind": "workflows.source",
    "created_at": "2026-11-20T12:00:00Z",
}


@extend_schema_view(
    list=extend_schema(
        summary="List files, newest first",
        examples=[OpenApiExample("A file", value=FILE, response_only=True)],
    ),
    retrieve=extend_schema(
        summary="Show a file",
        examples=[OpenApiExample("A file", value=FILE, response_only=True)],
    ),
)
class FileViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """What the organization keeps: imported flows in their original form, attachments.

    Refusals of a download: `file_gone` (410) and `storage_unavailable` (503); where files are
    scanned, `file_infected` (422) and `scanner_unavailable` (503).
    """

    serializer_class = StoredFileSerializer
    verbs = {"*": "file.view"}
    queryset = StoredFile.objects.none()
    filters = FileQuerySerializer
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[StoredFile]:
        return StoredFile.objects.visible_to(self.actor)

    @extend_schema(
        summary="Download a file's content",
        responses={
            (200, "*/*"): OpenApiTypes.BINARY,
            410: refusal("file_gone", "The file's content is no longer in the storage."),
            422: refusal("file_infected", "This file contains malware.", signature="Eicar"),
            503: refusal("storage_unavailable", "The storage does not answer."),
        },
        examples=[OpenApiExample("The bytes as they were kept", value="app:\n  mode: workflow\n")],
    )
    @action(detail=True, methods=["get"])
    def download(self, request: Request, pk: str) -> Attachment:
        """Always an attachment that no browser may sniff: strangers wrote it."""
        file = self.get_object()
        return attachment_of(file, hand_out(actor=self.actor, file=file))
