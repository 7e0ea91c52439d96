"""The audit trail over HTTP. It lives here because `audit` stands below permissions."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers

from audit.models import Entry
from core.api import query_text
from orgs.api.access import OrgViewSet

FILTERS = ("trace_id", "action", "target_type", "target_id", "actor_id")


class EntrySerializer(serializers.ModelSerializer[Entry]):
    class Meta:
        model = Entry
        fields = (
            "id", "at", "action", "actor_kind", "actor_id", "target_type", "target_id", "summary",
            "data", "trace_id",
        )  # fmt: skip


class EntryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Newest first; every filter is an exact match."""

    serializer_class = EntrySerializer
    verbs = {"*": "audit.view"}
    queryset = Entry.objects.none()

    def get_queryset(self) -> QuerySet[Entry]:
        wanted = {name: text for name in FILTERS if (text := query_text(self.request, name))}
        return Entry.objects.of(self.actor.organization_id).filter(**wanted)

    @extend_schema(parameters=[OpenApiParameter(name, OpenApiTypes.STR) for name in FILTERS])
    def list(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().list(request, *args, **kwargs)
