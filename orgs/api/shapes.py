"""JSON shapes of organizations, their people, teams, projects and invitations."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from orgs.actions.audit import LONGEST, SHORTEST
from orgs.actions.retention import LONGEST as LONGEST_RUNS
from orgs.actions.retention import SHORTEST as SHORTEST_RUNS
from orgs.models import Invitation, Membership, Organization, Project, Role, Team, TeamMembership


class OrganizationSerializer(serializers.ModelSerializer[Organization]):
    cors_origins = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Organization
        fields = (
            "id", "name", "slug", "require_second_factor", "audit_retention_days",
            "run_retention_days", "cors_origins", "closing_at", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class ChangeOrganizationSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120, required=False)
    require_second_factor = serializers.BooleanField(required=False)
    audit_retention_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=SHORTEST, max_value=LONGEST
    )
    run_retention_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=SHORTEST_RUNS, max_value=LONGEST_RUNS
    )
    cors_origins = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        max_length=20,
        help_text="Origins whose scripts may call the API for the organization.",
    )


class ChoiceSerializer(serializers.ModelSerializer[Membership]):
    """An organization as one of a person's own."""

    id = serializers.UUIDField(source="organization_id", read_only=True)
    name = serializers.CharField(source="organization.name", read_only=True)
    slug = serializers.CharField(source="organization.slug", read_only=True)
    closing_at = serializers.DateTimeField(
        source="organization.closing_at", read_only=True, allow_null=True
    )

    class Meta:
        model = Membership
        fields = ("id", "name", "slug", "role", "closing_at", "created_at")
        read_only_fields = fields


class FoundSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)


class CloseSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(
        max_length=120, help_text="The organization's name as it stands, typed again."
    )
    reason = serializers.CharField(max_length=500)


class TransferSerializer(serializers.Serializer[Any]):
    member = serializers.UUIDField(help_text="The id of another member.")


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    email = serializers.EmailField(source="user.email", read_only=True)
    name = serializers.CharField(source="user.get_full_name", read_only=True)
    active = serializers.BooleanField(source="user.is_active", read_only=True)

    class Meta:
        model = Membership
        fields = ("id", "user", "email", "name", "active", "role", "created_at")
        read_only_fields = ("id", "user", "created_at")


class MemberFilter(serializers.Serializer[Any]):
    q = serializers.CharField(
        required=False, max_length=120, help_text="A part of the name or the address."
    )
    role = serializers.ChoiceField(choices=Role.choices, required=False)


class ProjectFilter(serializers.Serializer[Any]):
    archived = serializers.BooleanField(required=False, allow_null=True, default=None)


class MemberTeamSerializer(serializers.ModelSerializer[TeamMembership]):
    id = serializers.UUIDField(source="team_id", read_only=True)
    name = serializers.CharField(source="team.name", read_only=True)

    class Meta:
        model = TeamMembership
        fields = ("id", "name", "lead")
        read_only_fields = fields


class MemberDetailSerializer(MembershipSerializer):
    teams = MemberTeamSerializer(many=True, read_only=True)
    keys = serializers.IntegerField(read_only=True, help_text="Live keys the person made.")
    last_seen_at = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = Membership
        read_only_fields = ("id", "user", "created_at")
        fields = (*MembershipSerializer.Meta.fields, "teams", "keys", "last_seen_at")


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    state = serializers.ChoiceField(
        choices=("open", "expired", "accepted", "declined", "revoked"), read_only=True
    )

    class Meta:
        model = Invitation
        fields = ("id", "email", "role", "teams", "state", "sent_at", "expires_at", "created_at")
        read_only_fields = fields


class InviteSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Role.choices, default=Role.MEMBER)
    teams = serializers.ListField(child=serializers.UUIDField(), default=list, max_length=20)


class MyInvitationSerializer(serializers.ModelSerializer[Invitation]):
    """What the invited person sees."""

    organization = serializers.CharField(source="organization.name", read_only=True)

    class Meta:
        model = Invitation
        fields = ("id", "organization", "email", "role", "expires_at", "created_at")
        read_only_fields = fields


class TeamSerializer(serializers.ModelSerializer[Team]):
    size = serializers.IntegerField(read_only=True, default=0)

    class Meta:
        model = Team
        fields = ("id", "name", "description", "size", "created_at")
        read_only_fields = ("id", "size", "created_at")


class TeamMemberSerializer(serializers.ModelSerializer[TeamMembership]):
    user = serializers.UUIDField(source="member.user_id", read_only=True)
    email = serializers.EmailField(source="member.user.email", read_only=True)
    name = serializers.CharField(source="member.user.get_full_name", read_only=True)

    class Meta:
        model = TeamMembership
        fields = ("id", "team", "member", "user", "email", "name", "lead", "created_at")
        read_only_fields = ("id", "team", "member", "created_at")


class JoinTeamSerializer(serializers.Serializer[Any]):
    member = serializers.UUIDField(help_text="The id of a membership.")
    lead = serializers.BooleanField(default=False)


class ProjectSerializer(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = (
            "id", "name", "description", "is_default", "restricted", "archived_at", "created_at",
        )  # fmt: skip
        read_only_fields = ("id", "is_default", "archived_at", "created_at")
        # Uniqueness within the organization is the action's to say, with its own code.
        validators: list[Any] = []
