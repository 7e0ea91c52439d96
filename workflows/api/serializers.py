"""JSON shapes of workflows."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from core.fields import TraceIdField
from orgs.actions.retention import LONGEST, SHORTEST
from workflows.actions.runs import LONGEST_DELAY
from workflows.api.history_shapes import SearchableValueSerializer
from workflows.models import Event, Run, Step, Workflow, WorkflowVersion
from workflows.models.values import row_value


class WorkflowSerializer(serializers.ModelSerializer[Workflow]):
    published_number = serializers.IntegerField(
        source="published.number", default=None, read_only=True, allow_null=True
    )

    searchable = SearchableValueSerializer(many=True, read_only=True)

    class Meta:
        model = Workflow
        fields = (
            "id", "project", "name", "description", "mode", "published", "published_number",
            "latest_number", "run_retention_days", "searchable", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class WorkflowFilter(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, max_length=120, help_text="A part of the name.")
    project = serializers.UUIDField(required=False)


class VersionSerializer(serializers.ModelSerializer[WorkflowVersion]):
    class Meta:
        model = WorkflowVersion
        fields = (
            "id", "workflow", "number", "checksum", "report", "note", "source", "published_at",
            "created_at",
        )  # fmt: skip
        read_only_fields = fields


class VersionDetailSerializer(serializers.ModelSerializer[WorkflowVersion]):
    class Meta:
        model = WorkflowVersion
        fields = (*VersionSerializer.Meta.fields, "definition")
        read_only_fields = fields


class ImportSerializer(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="A flow exported from Dify (YAML), at most 10 MB.")
    name = serializers.CharField(required=False, max_length=120, default="")
    workflow = serializers.UUIDField(
        required=False, default=None, help_text="Store as the next version of this workflow."
    )
    project = serializers.UUIDField(
        required=False, default=None, help_text="Where a new workflow goes: default, the default."
    )
    dry_run = serializers.BooleanField(required=False, default=False)


class ImportedSerializer(serializers.Serializer[Any]):
    workflow = WorkflowSerializer(allow_null=True)
    version = VersionSerializer(allow_null=True)
    report = serializers.JSONField()


class WorkflowRetentionSerializer(serializers.Serializer[Any]):
    days = serializers.IntegerField(
        allow_null=True,
        min_value=SHORTEST,
        max_value=LONGEST,
        help_text="The workflow's own; null: as long as the organization keeps runs.",
    )
    kept_days = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="What holds: the fewer of both. Null: for ever."
    )


class MoveSerializer(serializers.Serializer[Any]):
    project = serializers.UUIDField()


class PublishSerializer(serializers.Serializer[Any]):
    version = serializers.UUIDField(required=False, default=None, help_text="Default: the latest.")


class StartRunSerializer(serializers.Serializer[Any]):
    inputs = serializers.DictField(required=False, default=dict)
    query = serializers.CharField(required=False, default="", allow_blank=True, max_length=100_000)
    version = serializers.UUIDField(required=False, default=None)
    priority = serializers.IntegerField(
        required=False, default=None, allow_null=True, min_value=-10, max_value=10,
        help_text="Among the organization's runs, the highest first. Null: as the workflow says.",
    )  # fmt: skip
    delay = serializers.FloatField(
        required=False,
        default=0,
        min_value=0,
        max_value=LONGEST_DELAY.total_seconds(),
        help_text="Seconds until it may start.",
    )
    not_before = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="When it may start; or `delay`."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["delay"] and attrs["not_before"]:
            raise serializers.ValidationError({"delay": "Give this or not_before, not both."})
        return attrs


class StoredValueField(serializers.JSONField):
    """A list shows a large value as its row does, `{"$stored": {...}}`; the run alone in full."""

    def get_attribute(self, instance: Any) -> Any:
        listed = isinstance(getattr(self.parent, "parent", None), serializers.ListSerializer)
        return row_value(instance, str(self.source)) if listed else super().get_attribute(instance)


RUN_FIELDS = (
    "id", "workflow", "version", "version_number", "state", "control", "trigger", "inputs",
    "outputs", "error", "not_before", "source_node", "trace_id", "step_count", "tokens", "cost",
    "created_at", "started_at", "ended_at", "duration_ms", "priority", "concurrency_key",
    "deadline_at",
)  # fmt: skip


class RunSerializer(serializers.ModelSerializer[Run]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    version_number = serializers.IntegerField(source="version.number", read_only=True)
    duration_ms = serializers.IntegerField(read_only=True, allow_null=True)
    inputs = StoredValueField(read_only=True)
    outputs = StoredValueField(read_only=True, allow_null=True)

    class Meta:
        model = Run
        fields = RUN_FIELDS
        read_only_fields = fields


class RunFilter(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=Run.State.choices, required=False)
    workflow = serializers.UUIDField(required=False)
    trace_id = TraceIdField(required=False)
    id = serializers.UUIDField(required=False)
    trigger = serializers.ChoiceField(choices=Run.Trigger.choices, required=False)
    since = serializers.DateTimeField(required=False, help_text="Made at this time or later.")
    until = serializers.DateTimeField(required=False, help_text="Made before this time.")
    min_seconds = serializers.FloatField(required=False, min_value=0, max_value=10**9)
    max_seconds = serializers.FloatField(required=False, min_value=0, max_value=10**9)
    error = serializers.CharField(
        required=False, max_length=60, help_text="The code of the error it ended with."
    )
    parent = serializers.UUIDField(  # type: ignore[assignment]  # a field
        required=False, help_text="Started by this run."
    )
    source = serializers.UUIDField(  # type: ignore[assignment]  # a field
        required=False, help_text="A rerun of this run."
    )
    tag = serializers.CharField(
        required=False,
        max_length=300,
        help_text="A searchable value: `order:4711`, or `order:47*` for what begins so.",
    )


class StepSerializer(serializers.ModelSerializer[Step]):
    duration_ms = serializers.IntegerField(read_only=True)

    class Meta:
        model = Step
        fields = (
            "node_id", "iteration", "kind", "status", "handle", "attempts", "inputs", "outputs",
            "error", "error_code", "usage", "cost", "started_at", "ended_at", "duration_ms",
        )  # fmt: skip


class RunDetailSerializer(serializers.ModelSerializer[Run]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    version_number = serializers.IntegerField(source="version.number", read_only=True)
    duration_ms = serializers.IntegerField(read_only=True, allow_null=True)
    steps = StepSerializer(many=True, read_only=True)

    class Meta:
        model = Run
        fields = (*RUN_FIELDS, "steps")
        read_only_fields = fields


class EventSerializer(serializers.ModelSerializer[Event]):
    class Meta:
        model = Event
        fields = ("seq", "kind", "node_id", "data", "at")


class AfterSerializer(serializers.Serializer[Any]):
    after = serializers.IntegerField(
        required=False, default=0, min_value=0, max_value=10**9, help_text="The last you have."
    )


class EventsSerializer(serializers.Serializer[Any]):
    results = EventSerializer(many=True)
