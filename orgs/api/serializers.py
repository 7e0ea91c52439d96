"""JSON shapes of API keys."""

from typing import Any

from rest_framework import serializers

from orgs.models import ApiKey

KEY_FIELDS = (
    "id", "name", "prefix", "scopes", "expires_at", "revoked_at", "last_used_at", "created_at",
)  # fmt: skip


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    class Meta:
        model = ApiKey
        fields = KEY_FIELDS
        read_only_fields = fields


class CreateKeySerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.CharField(), min_length=1)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class CreatedKeySerializer(serializers.ModelSerializer[ApiKey]):
    token = serializers.CharField(help_text="Shown this once.")

    class Meta:
        model = ApiKey
        fields = (*KEY_FIELDS, "token")
        read_only_fields = fields
