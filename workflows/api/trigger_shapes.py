"""JSON shapes of triggers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils.timezone import now
from drf_spectacular.utils import OpenApiExample, extend_schema_field
from rest_framework import serializers

from workflows.actions.triggers import LONGEST_OVERLAP, LONGEST_SECRET, MAX_QUERY, SHORTEST_SECRET
from workflows.models import Trigger, TriggerFiring
from workflows.triggers import configs
from workflows.triggers.configs import schedule_of

PREVIEWED = 10


class ScheduleSerializer(serializers.Serializer[Any]):
    cron = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=200,
        help_text="Five fields: minute, hour, day, month, weekday. Empty with an interval.",
    )  # fmt: skip
    every_seconds = serializers.IntegerField(
        required=False, default=None, allow_null=True, min_value=configs.SHORTEST_INTERVAL,
        max_value=configs.LONGEST_INTERVAL, help_text="Elapsed seconds between two occurrences.",
    )  # fmt: skip
    time_zone = serializers.CharField(
        required=False, default="UTC", max_length=60, help_text="IANA name, for cron lines."
    )
    start_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    end_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    catch_up = serializers.ChoiceField(
        ["none", "last", "all"], required=False, default="none",
        help_text="Which occurrences that were missed while nobody was awake start after all.",
    )  # fmt: skip
    catch_up_most = serializers.IntegerField(
        required=False, default=10, min_value=1, max_value=configs.MOST_CATCH_UP,
        help_text="With `all`: the latest so many.",
    )  # fmt: skip
    overlap = serializers.ChoiceField(
        ["skip", "queue", "cancel", "allow"], required=False, default="skip",
        help_text="What happens while the run before still lives.",
    )  # fmt: skip
    jitter_seconds = serializers.IntegerField(
        required=False, default=0, min_value=0, max_value=configs.LONGEST_JITTER
    )


class MappingField(serializers.DictField):
    child = serializers.CharField(max_length=300)


class WebhookSerializer(serializers.Serializer[Any]):
    scheme = serializers.ChoiceField(
        ["none", "github", "stripe", "slack", "hmac"], required=False, default="none"
    )
    header = serializers.CharField(
        required=False, default="X-Signature", max_length=100, help_text="`hmac`: the signature."
    )
    algorithm = serializers.ChoiceField(["sha256", "sha512"], required=False, default="sha256")
    encoding = serializers.ChoiceField(["hex", "base64"], required=False, default="hex")
    prefix = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=40,
        help_text="`hmac`: what stands before the signature in its header.",
    )  # fmt: skip
    timestamp_header = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=100,
        help_text="`hmac`: seconds since the epoch; `<timestamp>.<body>` is signed then.",
    )  # fmt: skip
    tolerance_seconds = serializers.IntegerField(
        required=False, default=300, min_value=1, max_value=configs.LONGEST_TOLERANCE
    )
    delivery_header = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=100,
        help_text="A header that names a delivery, the same when it is sent again.",
    )  # fmt: skip
    window_seconds = serializers.IntegerField(
        required=False, default=300, min_value=0, max_value=configs.LONGEST_WINDOW,
        help_text="How long a delivery without an id is known by its content.",
    )  # fmt: skip
    answer = serializers.ChoiceField(["at-once", "awaited"], required=False, default="at-once")
    wait_seconds = serializers.IntegerField(
        required=False, default=20, min_value=1, max_value=configs.LONGEST_WAIT
    )
    ip_allow = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, default=list, max_length=50
    )
    mapping = MappingField(
        required=False, default=dict,
        help_text="Input to path: `body`, `body.order.id`, `headers.x-event`, `query.name`.",
    )  # fmt: skip
    query_from = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=300,
        help_text="A path to the message of a chatflow.",
    )  # fmt: skip


class RunEndedSerializer(serializers.Serializer[Any]):
    states = serializers.ListField(
        child=serializers.ChoiceField([str(state) for state in configs.ENDED]),
        required=False, default=["succeeded", "partial-succeeded"], min_length=1,
    )  # fmt: skip
    mapping = MappingField(
        required=False, default=dict,
        help_text="Input to path: `outputs.text`, `inputs.name`, `run.id`, `error.code`.",
    )  # fmt: skip
    query_from = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)


FIELDS = {"schedule": "schedule", "webhook": "webhook", "run_ended": "run-ended"}
"""The field that holds the settings of a kind, and the kind."""


class TriggerSerializer(serializers.ModelSerializer[Trigger]):
    """One of `schedule`, `webhook` and `run_ended` holds the settings; the others are null."""

    source_workflow = serializers.PrimaryKeyRelatedField[Any](read_only=True, allow_null=True)
    schedule = serializers.SerializerMethodField()
    webhook = serializers.SerializerMethodField()
    run_ended = serializers.SerializerMethodField()
    signed = serializers.SerializerMethodField(help_text="Whether a secret is stored.")

    class Meta:
        model = Trigger
        fields = (
            "id", "workflow", "kind", "name", "enabled", "disabled_reason", "failures", "inputs",
            "query", "schedule", "webhook", "run_ended", "source_workflow", "signed", "next_at",
            "last_fired_at", "acts_for_user_id", "acts_for_key_id", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(ScheduleSerializer(allow_null=True))
    def get_schedule(self, row: Trigger) -> Any:
        return _shown(row, "schedule", ScheduleSerializer)

    @extend_schema_field(WebhookSerializer(allow_null=True))
    def get_webhook(self, row: Trigger) -> Any:
        return _shown(row, "webhook", WebhookSerializer)

    @extend_schema_field(RunEndedSerializer(allow_null=True))
    def get_run_ended(self, row: Trigger) -> Any:
        return _shown(row, "run-ended", RunEndedSerializer)

    def get_signed(self, row: Trigger) -> bool:
        return bool(row.secret)


def _shown(row: Trigger, kind: str, shape: Any) -> Any:
    if row.kind != kind:
        return None
    return {name: row.config[name] for name in shape().fields if name in row.config}


class TriggerDetailSerializer(TriggerSerializer):
    next = serializers.SerializerMethodField(help_text="A schedule's next ten occurrences.")

    class Meta:
        model = Trigger
        fields = (*TriggerSerializer.Meta.fields, "next")
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.DateTimeField()))
    def get_next(self, row: Trigger) -> Any:
        if row.kind != Trigger.Kind.SCHEDULE or not row.enabled:
            return []
        upcoming = row.next_occurrence
        after = upcoming - timedelta(microseconds=1) if upcoming else now()
        return schedule_of(row).rule().following(after, PREVIEWED)


class TriggerFilter(serializers.Serializer[Any]):
    workflow = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(choices=Trigger.Kind.choices, required=False)
    enabled = serializers.BooleanField(required=False, default=None, allow_null=True)


class _Given(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    inputs = serializers.DictField(
        required=False, default=dict, help_text="Inputs that are always the same."
    )
    query = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=MAX_QUERY,
        help_text="The message that a chatflow is started with.",
    )  # fmt: skip
    schedule = ScheduleSerializer(required=False, default=None, allow_null=True)
    webhook = WebhookSerializer(required=False, default=None, allow_null=True)
    run_ended = RunEndedSerializer(required=False, default=None, allow_null=True)
    source_workflow = serializers.UUIDField(
        required=False, default=None, allow_null=True, help_text="With `run_ended`: whose runs."
    )


class NewTriggerSerializer(_Given):
    """Exactly one of `schedule`, `webhook` and `run_ended` is given, and says the kind."""

    workflow = serializers.UUIDField()
    enabled = serializers.BooleanField(required=False, default=True)
    secret = serializers.CharField(
        required=False, default="", allow_blank=True, write_only=True, max_length=LONGEST_SECRET,
        help_text="A webhook's, where the sender has made it (Stripe, Slack). Empty: made here.",
    )  # fmt: skip

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in FIELDS if data.get(name) is not None]
        if len(given) != 1:
            raise serializers.ValidationError("Give one of schedule, webhook and run_ended.")
        return data


class ChangeTriggerSerializer(_Given):
    """What is not given stays. Settings are given whole, and of the trigger's own kind."""

    name = serializers.CharField(max_length=120, required=False)


class MadeSerializer(serializers.Serializer[Any]):
    trigger = TriggerDetailSerializer()
    url = serializers.CharField(
        help_text="A webhook's address, shown this once. Empty where none was made."
    )
    secret = serializers.CharField(
        help_text="The secret that was made for it, shown this once. Empty where none was made."
    )


class RotateSerializer(serializers.Serializer[Any]):
    what = serializers.ChoiceField(["token", "secret"])
    secret = serializers.CharField(
        required=False, default="", allow_blank=True, write_only=True, max_length=LONGEST_SECRET,
        help_text=f"The new one, of {SHORTEST_SECRET} characters or more. Empty: made here.",
    )  # fmt: skip
    overlap_seconds = serializers.IntegerField(
        required=False, default=0, min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        help_text="How long the old secret is believed beside the new one.",
    )  # fmt: skip


class PreviewSerializer(serializers.Serializer[Any]):
    next = serializers.ListField(child=serializers.DateTimeField())


class FiringSerializer(serializers.ModelSerializer[TriggerFiring]):
    class Meta:
        model = TriggerFiring
        fields = (
            "id", "outcome", "occurrence", "run_id", "source_run_id", "reason", "message", "count",
            "created_at",
        )  # fmt: skip
        read_only_fields = fields


class NoBodySerializer(serializers.Serializer[Any]):
    """Nothing is asked."""


class WaitSerializer(serializers.Serializer[Any]):
    wait = serializers.IntegerField(
        required=False, default=0, min_value=0, max_value=configs.LONGEST_WAIT,
        help_text="Answer when the run is over, or after so many seconds with the run as it is.",
    )  # fmt: skip


NIGHTLY = OpenApiExample(
    "Every weekday at six in Berlin",
    request_only=True,
    value={
        "workflow": "0192f0c1-0000-7000-8000-000000000001",
        "name": "Morning report",
        "inputs": {"mail": "all of yesterday"},
        "schedule": {"cron": "0 6 * * MON-FRI", "time_zone": "Europe/Berlin", "catch_up": "last"},
    },
)
GITHUB = OpenApiExample(
    "Issues of a repository",
    request_only=True,
    value={
        "workflow": "0192f0c1-0000-7000-8000-000000000001",
        "name": "GitHub issues",
        "webhook": {"scheme": "github", "mapping": {"mail": "body.issue.body"}},
    },
)
AFTER = OpenApiExample(
    "After another workflow",
    request_only=True,
    value={
        "workflow": "0192f0c1-0000-7000-8000-000000000001",
        "name": "After the import",
        "run_ended": {"states": ["succeeded"], "mapping": {"mail": "outputs.text"}},
        "source_workflow": "0192f0c1-0000-7000-8000-000000000002",
    },
)
EVERY_HOUR = OpenApiExample(
    "What a line means", request_only=True, value={"cron": "0 * * * *", "time_zone": "Asia/Tokyo"}
)
NEW_SECRET = OpenApiExample(
    "A new secret, the old one for an hour more",
    request_only=True,
    value={"what": "secret", "overlap_seconds": 3600},
)
