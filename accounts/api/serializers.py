"""The account as JSON."""

from __future__ import annotations

from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.factors import has_second_factor
from accounts.models import SecurityEvent, User
from accounts.models.people import check_time_zone
from accounts.notifications import notification_kinds, wants


class AccountSerializer(serializers.ModelSerializer[User]):
    language = serializers.ChoiceField(
        choices=settings.LANGUAGES, allow_blank=True, read_only=True, help_text="Empty: unset."
    )
    second_factor = serializers.SerializerMethodField()
    notifications = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = (
            "id", "email", "name", "language", "time_zone", "date_joined", "second_factor",
            "notifications",
        )  # fmt: skip
        read_only_fields = fields

    def get_second_factor(self, user: User) -> bool:
        return has_second_factor(user.pk)

    @extend_schema_field(serializers.DictField(child=serializers.BooleanField()))
    def get_notifications(self, user: User) -> dict[str, bool]:
        return {kind.name: wants(user, kind.name) for kind in notification_kinds()}


class ChangeAccountSerializer(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    name = serializers.CharField(max_length=120, required=False)
    language = serializers.ChoiceField(
        choices=[code for code, _ in settings.LANGUAGES], required=False, allow_blank=True
    )
    time_zone = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="A name of the IANA database."
    )
    muted = serializers.ListField(
        child=serializers.CharField(max_length=80), max_length=100, required=False
    )

    def validate_time_zone(self, value: str) -> str:
        if value:
            check_time_zone(value)
        return value


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    current = serializers.SerializerMethodField()

    class Meta:
        model = UserSession
        fields = ("id", "user_agent", "ip", "created_at", "last_seen_at", "current")

    def get_current(self, row: UserSession) -> bool:
        return bool(row.session_key == self.context.get("current"))


class SecurityEventSerializer(serializers.ModelSerializer[SecurityEvent]):
    class Meta:
        model = SecurityEvent
        fields = ("id", "kind", "at", "ip", "user_agent", "data", "trace_id")
