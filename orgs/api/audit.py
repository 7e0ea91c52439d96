"""The audit trail over HTTP. It lives here because `audit` stands below permissions."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers

from audit.models import Entry
from orgs.api import examples
from orgs.api.access import OrgViewSet
from orgs.trail import entries_visible_to


class EntrySerializer(serializers.ModelSerializer[Entry]):
    class Meta:
        model = Entry
        fields = (
            "id", "at", "action", "actor_kind", "actor_id", "target_type", "target_id", "summary",
            "data", "trace_id",
        )  # fmt: skip


class EntryQuerySerializer(serializers.Serializer[Any]):
    """What the trail can be narrowed by; every filter is an exact match."""

    trace_id = serializers.CharField(required=False)
    action = serializers.CharField(required=False)
    target_type = serializers.CharField(required=False)
    target_id = serializers.CharField(required=False)
    actor_id = serializers.UUIDField(required=False)


@extend_schema_view(
    list=extend_schema(
        summary="List audit entries, newest first",
        parameters=[EntryQuerySerializer],
        examples=[examples.ENTRY],
    ),
    retrieve=extend_schema(summary="Show an audit entry", examples=[examples.ENTRY]),
)
class EntryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Who did what in the organization. Entries are never changed."""

    serializer_class = EntrySerializer
    verbs = {"*": "audit.view"}
    queryset = Entry.objects.none()

    def get_queryset(self) -> QuerySet[Entry]:
        entries = entries_visible_to(self.actor)
        if self.action != "list":
            return entries
        query = EntryQuerySerializer(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return entries.filter(**query.validated_data)
