"""Commands to many runs over HTTP: start one, watch it, stop it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.api.access import OrgViewSet
from workflows.actions import cancel_bulk, start_bulk
from workflows.actions.bulk import MOST_IDS, bulk_of
from workflows.api.serializers import RunFilter
from workflows.control_matrix import Command
from workflows.models import BulkCommand

BULK = {
    "id": "0192f0c1-7a3b-7000-8000-00000000000b",
    "command": "cancel",
    "filters": {"state": "waiting"},
    "arguments": {"reason": "Not needed any more."},
    "state": "running",
    "total": 1_200,
    "done": 480,
    "refused": 20,
    "codes": {"permission_denied": 20},
    "percent": 41,
    "error": "",
    "created_at": "2026-11-20T12:00:00Z",
    "finished_at": None,
}
SHOWN = OpenApiExample("Under way", value=BULK, response_only=True)
ASKED = OpenApiExample(
    "Cancel all that wait",
    value={
        "command": "cancel",
        "filters": {"state": "waiting"},
        "arguments": {"reason": "Not needed any more."},
    },
    request_only=True,
)


class ChosenSerializer(RunFilter):
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST_IDS)


class StartBulkSerializer(serializers.Serializer[Any]):
    command = serializers.ChoiceField(choices=[(str(each), str(each)) for each in Command])
    filters = ChosenSerializer(required=False, default=dict)
    arguments = serializers.DictField(
        required=False,
        default=dict,
        help_text="`reason` (cancel, terminate), `node_id` `outputs` `handle` (skip), `name` "
        "`data` (signal), `to` (reset), `node_id` `inputs` `outputs` (rerun).",
    )


class BulkSerializer(serializers.ModelSerializer[BulkCommand]):
    percent = serializers.IntegerField(read_only=True)
    filters = serializers.DictField(read_only=True)
    arguments = serializers.DictField(read_only=True)
    codes = serializers.DictField(
        child=serializers.IntegerField(), read_only=True, help_text="By code, how many refusals."
    )

    class Meta:
        model = BulkCommand
        fields = (
            "id", "command", "filters", "arguments", "state", "total", "done", "refused", "codes",
            "percent", "error", "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_view(
    list=extend_schema(summary="List commands to many runs, newest first", examples=[SHOWN]),
    retrieve=extend_schema(summary="Show how far a command to many runs is", examples=[SHOWN]),
)
class BulkViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """One's own, and everybody's for who may control runs. Each run asks for its own right."""

    serializer_class = BulkSerializer
    granted = frozenset({"list", "create", "retrieve", "cancel"})
    queryset = BulkCommand.objects.none()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[BulkCommand]:
        if self.action == "list":
            return BulkCommand.objects.visible_to(self.actor)
        return BulkCommand.objects.of(self.actor.organization_id)

    def get_object(self) -> BulkCommand:
        bulk: BulkCommand = super().get_object()
        return bulk_of(self.actor, bulk.pk)

    @extend_schema(
        summary="Start a command to many runs",
        request=StartBulkSerializer,
        responses={
            202: BulkSerializer,
            409: refusal(
                "too_many_bulks", "Wait until an earlier command to many runs is done.", most=5
            ),
            413: refusal("value_too_large", "This is too large.", size=300_000, limit=262_144),
        },
        examples=[ASKED, SHOWN],
    )
    def create(self, request: Request) -> Response:
        form = StartBulkSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        bulk = start_bulk(
            actor=self.actor,
            command=asked["command"],
            filters=_plain(asked["filters"]),
            arguments=asked["arguments"],
        )
        return Response(BulkSerializer(bulk).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Stop a command to many runs",
        request=None,
        responses={
            200: BulkSerializer,
            409: refusal("bulk_finished", "This command is over already.", state="succeeded"),
        },
        examples=[SHOWN],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        bulk = cancel_bulk(actor=self.actor, bulk_id=UUID(str(pk)))
        return Response(BulkSerializer(bulk).data)


def _plain(filters: dict[str, Any]) -> dict[str, Any]:
    """As a row of JSON holds them."""
    plain: dict[str, Any] = {name: str(value) for name, value in filters.items() if name != "ids"}
    if "ids" in filters:
        plain["ids"] = [str(each) for each in filters["ids"]]
    return plain
