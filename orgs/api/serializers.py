"""JSON shapes of orgs."""

from typing import Any

from rest_framework import serializers

from orgs.models import ApiKey, Membership, Organization, Role


class OrganizationSerializer(serializers.ModelSerializer[Organization]):
    cors_origins = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Organization
        fields = ("id", "name", "slug", "cors_origins", "created_at")
        read_only_fields = fields


class ChangeOrganizationSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120, required=False)
    cors_origins = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        max_length=20,
        help_text="Origins whose scripts may call the API for the organization.",
    )


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    email = serializers.EmailField(source="user.email", read_only=True)
    name = serializers.CharField(source="user.get_full_name", read_only=True)

    class Meta:
        model = Membership
        fields = ("id", "user", "email", "name", "role", "created_at")
        read_only_fields = ("id", "user", "created_at")


class AddMemberSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Role.choices)


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
