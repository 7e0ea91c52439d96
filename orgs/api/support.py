"""Stays of support over HTTP, for the organization they were in."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from orgs.actions import end_support
from orgs.api.access import OrgViewSet
from orgs.models import SupportAccess

STAY = OpenApiExample(
    "An operator looked at a failed run",
    value={
        "id": "0192f0c1-0000-7000-8000-000000000009",
        "operator": "Olga Operator",
        "level": "view",
        "reason": "Ticket 4711: a run that never ends",
        "running": False,
        "created_at": "2026-11-01T09:00:00Z",
        "expires_at": "2026-11-01T09:30:00Z",
        "ended_at": "2026-11-01T09:12:00Z",
    },
    response_only=True,
)


class SupportAccessSerializer(serializers.ModelSerializer[SupportAccess]):
    operator = serializers.CharField(source="operator.get_full_name", read_only=True)
    running = serializers.BooleanField(read_only=True)

    class Meta:
        model = SupportAccess
        fields = (
            "id", "operator", "level", "reason", "running", "created_at", "expires_at", "ended_at",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_view(
    list=extend_schema(summary="List stays of support, newest first", examples=[STAY]),
    retrieve=extend_schema(summary="Show a stay of support", examples=[STAY]),
)
class SupportAccessViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Operators who were inside the organization: when, why and how far."""

    serializer_class = SupportAccessSerializer
    verbs = {"end": "support.end", "*": "support.view"}
    queryset = SupportAccess.objects.none()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[SupportAccess]:
        return SupportAccess.objects.visible_to(self.actor).select_related("operator")

    @extend_schema(
        summary="End a stay at once",
        request=None,
        responses=SupportAccessSerializer,
        examples=[STAY],
    )
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """Repeating it changes nothing."""
        stay = end_support(actor=self.actor, stay_id=self.get_object().pk)
        return Response(SupportAccessSerializer(stay).data)
