"""Archives of the whole organization over HTTP, for its owners."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from files.archives import open_archive, request_archive
from files.attachment import Attachment, attachment_of
from files.models import Archive
from orgs.access import Actor
from orgs.api.access import OrgViewSet


class ArchiveSerializer(serializers.ModelSerializer[Archive]):
    size = serializers.IntegerField(
        source="file.size", default=None, read_only=True, allow_null=True
    )

    class Meta:
        model = Archive
        fields = ("id", "state", "rows", "size", "expires_at", "created_at")
        read_only_fields = fields


def archive_response(actor: Actor, pk: UUID) -> Attachment:
    row, content = open_archive(actor=actor, archive_id=pk)
    assert row.file is not None  # nosec B101 # noqa: S101 - open_archive refused it otherwise
    return attachment_of(row.file, content)


class ArchiveViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Everything an organization may take along: JSON lines per kind, and the original files."""

    serializer_class = ArchiveSerializer
    verbs = {"*": "org.close"}
    queryset = Archive.objects.none()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Archive]:
        return Archive.objects.visible_to(self.actor).select_related("file")

    @extend_schema(
        request=None,
        responses={
            202: ArchiveSerializer,
            409: refusal("archive_under_way", "An archive is being written already."),
        },
    )
    def create(self, request: Request) -> Response:
        """It is written in the background: ask for it again until its state is `done`."""
        row = request_archive(actor=self.actor)
        return Response(ArchiveSerializer(row).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        responses={
            (200, "application/zip"): OpenApiTypes.BINARY,
            410: refusal("file_gone", "This archive is not there any more."),
        },
        examples=[OpenApiExample("The bytes of a ZIP", value="PK...")],
    )
    @action(detail=True)
    def download(self, request: Request, pk: str) -> Attachment:
        return archive_response(self.actor, self.get_object().pk)
