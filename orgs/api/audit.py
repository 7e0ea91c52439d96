"""The audit trail over HTTP. It lives here because `audit` stands below permissions."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit.events import all_events, category_label
from audit.models import Chain, Entry, SealedEntry
from audit.queries import ALIASES, NAMES, Filters, narrow
from audit.reports import read_statistics
from orgs.actions.audit import LONGEST, SHORTEST, set_audit_retention
from orgs.api.access import OrgAPIView, OrgViewSet
from orgs.api.examples import audit as examples
from orgs.models import Organization
from orgs.trail import entries_visible_to, require_whole_trail


class EntrySerializer(serializers.ModelSerializer[Entry]):
    class Meta:
        model = Entry
        fields: tuple[str, ...] = (
            "id", "at", "action", "label", "category", "outcome", "actor_kind", "actor_id",
            "api_key_id", "support_id", "project_id", "target_type", "target_id", "summary", "data",
            "before", "after", "ip", "user_agent", "trace_id",
        )  # fmt: skip


class EntryDetailSerializer(EntrySerializer):
    seal = serializers.SerializerMethodField()

    class Meta(EntrySerializer.Meta):
        fields = (*EntrySerializer.Meta.fields, "seal")

    def get_seal(self, entry: Entry) -> int | None:
        """The number of the seal the entry lies in; null until the next pass (a minute)."""
        found = SealedEntry.objects.filter(pk=entry.pk).values_list("seal__number", flat=True)
        number: int | None = found.first()
        return number


class EntryQuerySerializer(serializers.Serializer[Any]):
    """What the trail can be narrowed by; everything given must hold."""

    since = serializers.CharField(
        required=False, help_text="A moment or a day (ISO 8601), included."
    )
    until = serializers.CharField(
        required=False, help_text="A moment, excluded, or a day, included."
    )
    event = serializers.CharField(
        required=False, help_text="Exact, or the start of names: `orgs.member.*`."
    )
    action = serializers.CharField(required=False, help_text="The same as `event`.")
    category = serializers.CharField(required=False)
    outcome = serializers.ChoiceField(choices=Entry.Outcome.choices, required=False)
    actor_kind = serializers.ChoiceField(choices=Entry.ActorKind.choices, required=False)
    actor_id = serializers.UUIDField(required=False)
    api_key_id = serializers.UUIDField(required=False)
    project_id = serializers.UUIDField(required=False, help_text="Where the target lay then.")
    target_type = serializers.CharField(required=False)
    target_id = serializers.CharField(required=False)
    ip = serializers.IPAddressField(required=False)
    trace_id = serializers.CharField(required=False)
    q = serializers.CharField(required=False, help_text="Occurs in the summary, in any case.")


class AuditEventSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="A `*` stands for one or more segments.")
    label = serializers.CharField()  # type: ignore[assignment]  # the name is the public one
    category = serializers.CharField()
    category_label = serializers.CharField()
    outcome = serializers.ChoiceField(choices=Entry.Outcome.choices)
    fields = serializers.DictField(  # type: ignore[assignment]  # the name is the public one
        child=serializers.CharField(), help_text="The fields of `data` and their JSON types."
    )


class DayCountSerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    count = serializers.IntegerField()


class EventCountSerializer(serializers.Serializer[Any]):
    event = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the name is the public one
    count = serializers.IntegerField()


class CategoryCountSerializer(serializers.Serializer[Any]):
    category = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the name is the public one
    count = serializers.IntegerField()


class OutcomeCountSerializer(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=Entry.Outcome.choices)
    count = serializers.IntegerField()


class ActorCountSerializer(serializers.Serializer[Any]):
    actor_kind = serializers.ChoiceField(choices=Entry.ActorKind.choices)
    actor_id = serializers.UUIDField(allow_null=True)
    count = serializers.IntegerField()


class StatisticsSerializer(serializers.Serializer[Any]):
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    total = serializers.IntegerField()
    by_day = DayCountSerializer(many=True)
    by_event = EventCountSerializer(many=True)
    by_category = CategoryCountSerializer(many=True)
    by_outcome = OutcomeCountSerializer(many=True)
    by_actor = ActorCountSerializer(many=True)


class ChainSerializer(serializers.Serializer[Any]):
    seals = serializers.IntegerField(source="number")
    entries = serializers.IntegerField()
    digest = serializers.CharField(help_text="Keep it elsewhere to prove the trail against it.")
    pruned_to = serializers.IntegerField(help_text="Entries up to this seal were dropped.")
    sealed_at = serializers.DateTimeField(allow_null=True)
    checked_at = serializers.DateTimeField(allow_null=True)
    problems = serializers.ListField(child=serializers.DictField())


class RetentionSerializer(serializers.Serializer[Any]):
    days = serializers.IntegerField(allow_null=True, min_value=SHORTEST, max_value=LONGEST)


JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def _json_type(kind: Any) -> str:
    name = getattr(kind, "__name__", str(kind))
    return JSON_TYPES.get(name, {"list": "array", "dict": "object"}.get(name, name))


@extend_schema_view(
    list=extend_schema(
        summary="List audit entries, newest first",
        parameters=[EntryQuerySerializer],
        examples=[examples.ENTRY],
    ),
    retrieve=extend_schema(
        summary="Show an audit entry",
        responses=EntryDetailSerializer,
        examples=[examples.ENTRY_DETAIL],
    ),
)
class EntryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Who did what in the organization. Entries are never changed.

    To take many of them away, start an export (`POST /api/v1/exports/` with `source: audit`).
    """

    serializer_class = EntrySerializer
    verbs = {"*": "audit.view"}
    orderings = {"at": "pk"}
    queryset = Entry.objects.none()

    def get_serializer_class(self) -> Any:
        return EntryDetailSerializer if self.action == "retrieve" else EntrySerializer

    def get_queryset(self) -> QuerySet[Entry]:
        if self.action != "list":
            return entries_visible_to(self.actor)
        return narrow(entries_visible_to(self.actor), self._filters())

    def _filters(self) -> Filters:
        asked = self.request.query_params
        return Filters.read({name: asked[name] for name in (*ALIASES, *NAMES) if name in asked})

    @extend_schema(
        summary="Count audit entries by day, event, actor and outcome",
        parameters=[EntryQuerySerializer],
        responses=StatisticsSerializer,
    )
    @action(detail=False, methods=["get"], pagination_class=None)
    def statistics(self, request: Request) -> Response:
        """The last 30 days, or those between `since` and `until`, at most 366; about a minute late.

        `event`, `category`, `outcome`, `actor_kind` and `actor_id` narrow it.
        """
        require_whole_trail(self.actor)
        found = read_statistics(self.actor.organization_id, self._filters())
        return Response(StatisticsSerializer(found.as_json()).data)

    @extend_schema(
        summary="List the events that are recorded",
        responses=AuditEventSerializer(many=True),
        examples=[
            OpenApiExample(
                "A role was changed",
                value={
                    "name": "orgs.member.role_changed",
                    "label": "Role changed",
                    "category": "orgs",
                    "category_label": "Organization",
                    "outcome": "ok",
                    "fields": {"user": "string", "before": "string", "after": "string"},
                },
                response_only=True,
            )
        ],
    )
    @action(detail=False, methods=["get"], pagination_class=None)
    def events(self, request: Request) -> Response:
        return Response(
            [
                {
                    "name": event.name,
                    "label": str(event.label),
                    "category": event.category,
                    "category_label": str(category_label(event.category)),
                    "outcome": event.outcome,
                    "fields": {name: _json_type(kind) for name, kind in event.fields.items()},
                }
                for event in all_events()
            ]
        )

    @extend_schema(summary="Show the state of the hash chain", responses=ChainSerializer)
    @action(detail=False, methods=["get"], pagination_class=None)
    def chain(self, request: Request) -> Response:
        """What the last daily check of the chain found, and the head it ended in."""
        organization_id = self.actor.organization_id
        chain = Chain.objects.of(organization_id).first() or Chain(organization_id=organization_id)
        return Response(ChainSerializer(chain).data)


class RetentionView(OrgAPIView):
    """How long the trail is kept: `days`, or null for ever. Old seals lose their entries hourly."""

    verbs = {"*": "org.manage"}

    @extend_schema(
        summary="Show how long the audit trail is kept",
        responses=RetentionSerializer,
        examples=[examples.RETENTION],
    )
    def get(self, request: Request) -> Response:
        organization = Organization.objects.get(pk=self.actor.organization_id)
        return Response({"days": organization.audit_retention_days})

    @extend_schema(
        summary="Set how long the audit trail is kept",
        request=RetentionSerializer,
        responses=RetentionSerializer,
        examples=[examples.RETENTION],
    )
    def put(self, request: Request) -> Response:
        given = RetentionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        organization = set_audit_retention(actor=self.actor, **given.validated_data)
        return Response({"days": organization.audit_retention_days})
