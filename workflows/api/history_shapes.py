"""JSON shapes of what runs leave behind."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from workflows.actions.searchable import LONGEST_PATH
from workflows.history.statistics import PERIODS, USUAL
from workflows.history.tags import SOURCES
from workflows.models import Run, RunLog

MOST_LINES = 500
"""Log lines of one answer."""
EITHER = ("left", "right", "")


class SearchableValueSerializer(serializers.Serializer[Any]):
    name = serializers.RegexField(r"^[A-Za-z][A-Za-z0-9_-]{0,59}$")
    source = serializers.ChoiceField(choices=SOURCES)  # type: ignore[assignment]  # a field
    path = serializers.CharField(
        max_length=LONGEST_PATH, help_text="Keys and positions, joined by dots: `order.lines.0`."
    )


class SearchableSerializer(serializers.Serializer[Any]):
    values = SearchableValueSerializer(many=True, source="searchable")


class StatisticsAskedSerializer(serializers.Serializer[Any]):
    period = serializers.ChoiceField(choices=list(PERIODS), required=False, default=USUAL)
    workflow = serializers.UUIDField(required=False, default=None, help_text="Of this one alone.")


class BriefSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField(help_text="Runs, or steps of a node, that ended.")
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Failed or timed out.")
    cost = serializers.IntegerField(help_text="Nanos.")
    p50_ms = serializers.IntegerField(allow_null=True)
    p95_ms = serializers.IntegerField(allow_null=True, help_text="Within 5 %.")


class SumsSerializer(BriefSerializer):
    success_rate = serializers.FloatField(
        allow_null=True, help_text="Succeeded of succeeded and failed, 0 to 1."
    )
    outcomes = serializers.DictField(child=serializers.IntegerField())
    retries = serializers.IntegerField()
    tokens = serializers.IntegerField()


class PointSerializer(BriefSerializer):
    at = serializers.DateTimeField(help_text="Where the hour or day (UTC) begins.")


class WorkflowSumsSerializer(SumsSerializer):
    workflow = serializers.UUIDField()
    name = serializers.CharField()


class NodeSumsSerializer(SumsSerializer):
    node_id = serializers.CharField()
    kind = serializers.CharField()


class ErrorClassSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    count = serializers.IntegerField()


class RunStatisticsSerializer(serializers.Serializer[Any]):
    period = serializers.ChoiceField(choices=list(PERIODS))
    since = serializers.DateTimeField()
    workflow = serializers.UUIDField(allow_null=True)
    whole = SumsSerializer()
    trend = PointSerializer(many=True)
    workflows = WorkflowSumsSerializer(many=True)
    nodes = NodeSumsSerializer(many=True, help_text="Of one workflow alone.")
    errors = ErrorClassSerializer(many=True)  # type: ignore[assignment]  # a field


class BarSerializer(serializers.Serializer[Any]):
    start_ms = serializers.IntegerField()
    end_ms = serializers.IntegerField()
    status = serializers.CharField()
    iteration = serializers.CharField(allow_blank=True)
    attempts = serializers.IntegerField()
    count = serializers.IntegerField(help_text="Steps that are drawn together.")


class LaneSerializer(serializers.Serializer[Any]):
    node_id = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.CharField(allow_blank=True)
    steps = serializers.IntegerField()
    busy_ms = serializers.IntegerField()
    retries = serializers.IntegerField()
    status = serializers.CharField(allow_blank=True)
    bars = BarSerializer(many=True)


class TimelineSerializer(serializers.Serializer[Any]):
    begin = serializers.DateTimeField()
    span_ms = serializers.IntegerField()
    live = serializers.BooleanField()
    steps_left_out = serializers.IntegerField()
    lanes = LaneSerializer(many=True)


class CompareAskedSerializer(serializers.Serializer[Any]):
    other = serializers.UUIDField(help_text="The run to compare with.")


class DifferenceSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(allow_blank=True)
    left = serializers.JSONField(allow_null=True)
    right = serializers.JSONField(allow_null=True)
    only = serializers.ChoiceField(choices=EITHER, allow_blank=True)


class DiffSerializer(serializers.Serializer[Any]):
    same = serializers.BooleanField()
    differences = DifferenceSerializer(many=True)
    more = serializers.BooleanField(help_text="There are others.")


class ComparedRunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    workflow = serializers.UUIDField()
    version = serializers.UUIDField()
    version_number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Run.State.choices)
    duration_ms = serializers.IntegerField(allow_null=True)
    cost = serializers.IntegerField()
    tokens = serializers.IntegerField()


class ComparedStepSerializer(serializers.Serializer[Any]):
    status = serializers.CharField()
    attempts = serializers.IntegerField()
    duration_ms = serializers.IntegerField()
    cost = serializers.IntegerField()
    error_code = serializers.CharField(allow_blank=True)


class ComparedNodeSerializer(serializers.Serializer[Any]):
    node_id = serializers.CharField()
    iteration = serializers.CharField(allow_blank=True)
    kind = serializers.CharField()
    same = serializers.BooleanField()
    left = ComparedStepSerializer(allow_null=True)
    right = ComparedStepSerializer(allow_null=True)
    outputs = DiffSerializer()


class ComparisonSerializer(serializers.Serializer[Any]):
    left = ComparedRunSerializer()
    right = ComparedRunSerializer()
    same_version = serializers.BooleanField()
    inputs = DiffSerializer()
    outputs = DiffSerializer()
    error = DiffSerializer()
    nodes = ComparedNodeSerializer(many=True)
    more_nodes = serializers.BooleanField()


class LogsAskedSerializer(serializers.Serializer[Any]):
    after = serializers.IntegerField(
        required=False, default=0, min_value=0, max_value=2**62, help_text="The last you have."
    )
    level = serializers.ChoiceField(
        choices=RunLog.Level.choices, required=False, default="", help_text="This one or worse."
    )
    node = serializers.CharField(required=False, default="", max_length=100)


class LogLineSerializer(serializers.ModelSerializer[RunLog]):
    class Meta:
        model = RunLog
        fields = ("id", "node_id", "iteration", "level", "message", "at")


class LogLinesSerializer(serializers.Serializer[Any]):
    results = LogLineSerializer(many=True)
    more = serializers.BooleanField(help_text="Ask again, `after` the last of these.")
