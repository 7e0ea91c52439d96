"""JSON shapes of tasks."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from bpm.forms import STYLES
from bpm.models import Comment, Decision, HumanTask


class PersonSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(source="get_full_name", read_only=True)

    class Meta:
        model = User
        fields = ("id", "name", "email")
        read_only_fields = fields


class ActionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    title = serializers.CharField()
    style = serializers.ChoiceField(choices=STYLES)  # type: ignore[assignment]  # DRF takes fields off the class


class InputSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.ChoiceField(choices=("text", "paragraph", "number", "select", "checkbox"))
    label = serializers.CharField()  # type: ignore[assignment]  # as above
    required = serializers.BooleanField()  # type: ignore[assignment]  # as above
    default = serializers.JSONField(allow_null=True)
    options = serializers.ListField(child=serializers.CharField())


class FormSerializer(serializers.Serializer[Any]):
    content = serializers.CharField(
        help_text="Markdown; `{{#$output.name#}}` marks where an input stands."
    )
    inputs = InputSerializer(many=True)


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    actor = PersonSerializer(read_only=True)

    class Meta:
        model = Decision
        fields = (
            "id", "actor", "action_id", "comment", "data", "snapshot_sha256", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class CommentSerializer(serializers.ModelSerializer[Comment]):
    author = PersonSerializer(read_only=True)

    class Meta:
        model = Comment
        fields = ("id", "author", "text", "created_at")
        read_only_fields = ("id", "author", "created_at")


class TaskSerializer(serializers.ModelSerializer[HumanTask]):
    """A task as a list shows it."""

    kind = serializers.CharField(read_only=True)
    subject_id = serializers.CharField(read_only=True)
    requester = PersonSerializer(source="process.requester", read_only=True, allow_null=True)
    claimed_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = HumanTask
        fields: ClassVar[tuple[str, ...]] = (
            "id", "title", "kind", "subject_id", "status", "outcome", "requester", "claimed_by",
            "due_at", "created_at", "closed_at",
        )  # fmt: skip
        read_only_fields = fields


class TaskDetailSerializer(TaskSerializer):
    """A task with what one needs to decide it, and what was said so far."""

    actions = ActionSerializer(many=True, read_only=True)
    form = FormSerializer(read_only=True)
    snapshot = serializers.JSONField(source="process.snapshot", read_only=True)
    snapshot_sha256 = serializers.CharField(source="process.snapshot_sha256", read_only=True)
    trace_id = serializers.CharField(read_only=True)
    candidates = serializers.SerializerMethodField()
    decisions = DecisionSerializer(many=True, read_only=True)
    comments = CommentSerializer(many=True, read_only=True)

    class Meta(TaskSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (
            *TaskSerializer.Meta.fields, "actions", "form", "snapshot", "snapshot_sha256",
            "trace_id", "candidates", "decisions", "comments",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_candidates(self, task: HumanTask) -> list[str]:
        return [candidate.principal for candidate in task.candidates.all()]


class DecideSerializer(serializers.Serializer[Any]):
    action_id = serializers.CharField(max_length=80, help_text="One of the task's actions.")
    comment = serializers.CharField(max_length=10_000, allow_blank=True, default="")
    data = serializers.DictField(  # type: ignore[assignment]  # DRF takes fields off the class
        default=dict, help_text="Answers to the task's form, by name."
    )


class CommentInputSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=10_000)


class TaskQuerySerializer(serializers.Serializer[Any]):
    """What a list can be narrowed by."""

    status = serializers.ChoiceField(choices=HumanTask.Status.choices, required=False)
    mine = serializers.BooleanField(
        default=False, help_text="Only what waits for the caller: the inbox."
    )
    kind = serializers.CharField(required=False)
    subject_id = serializers.CharField(required=False)
