"""JSON shapes of orgs."""

from typing import Any

from rest_framework import serializers

from orgs.models import Membership, Organization, Role


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
