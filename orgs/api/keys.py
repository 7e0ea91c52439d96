"""API keys over HTTP. A token is in the answer that makes it and nowhere else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.actions import (
    change_key,
    create_key,
    revoke_all_keys,
    revoke_key,
    revoke_keys,
    rotate_key,
)
from orgs.actions.keys import LONGEST_OVERLAP
from orgs.api.access import OrgViewSet
from orgs.api.examples import keys as examples
from orgs.models import ApiKey
from orgs.networks import MOST

KEY_FIELDS = (
    "id", "name", "prefix", "state", "project", "scopes", "ip_allow", "created_by", "rotated_from",
    "expires_at", "revoked_at", "last_used_at", "last_used_ip", "created_at",
)  # fmt: skip


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    state = serializers.ChoiceField(choices=ApiKey.State.choices, read_only=True)
    created_by = serializers.UUIDField(source="created_by_id", allow_null=True, read_only=True)
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)
    ip_allow = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = KEY_FIELDS
        read_only_fields = fields


class CreatedKeySerializer(ApiKeySerializer):
    token = serializers.CharField(help_text="Shown this once.")

    class Meta(ApiKeySerializer.Meta):
        fields = (*KEY_FIELDS, "token")
        read_only_fields = fields


class CreateKeySerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.CharField(), min_length=1)
    project = serializers.UUIDField(
        required=False, allow_null=True, source="project_id", help_text="Default: the default one."
    )
    ip_allow = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        max_length=MOST,
        help_text="Addresses or networks (CIDR). Empty: from anywhere.",
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class ChangeKeySerializer(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    name = serializers.CharField(max_length=80, required=False)
    scopes = serializers.ListField(child=serializers.CharField(), min_length=1, required=False)
    ip_allow = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, max_length=MOST
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class RotateKeySerializer(serializers.Serializer[Any]):
    overlap_seconds = serializers.IntegerField(
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        default=0,
        help_text="How long the old token goes on working.",
    )


class RevokeKeysSerializer(serializers.Serializer[Any]):
    """All that is given must fit."""

    project = serializers.UUIDField(required=False, source="project_id")
    maker = serializers.UUIDField(required=False, source="maker_id")
    scope = serializers.CharField(required=False)
    unused_since = serializers.DateTimeField(required=False)


class RevokedSerializer(serializers.Serializer[Any]):
    revoked = serializers.IntegerField()


class KeyFilter(serializers.Serializer[Any]):
    project = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(choices=ApiKey.State.choices, required=False)


@extend_schema_view(
    list=extend_schema(
        summary="List keys, newest first",
        examples=[examples.SHOWN_KEY],
    ),
    retrieve=extend_schema(examples=[examples.SHOWN_KEY]),
)
class ApiKeyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Keys for programs: one's own, or with `key.manage` those of the whole organization."""

    serializer_class = ApiKeySerializer
    verbs = {"revoke": "key.manage", "revoke_all": "key.revoke_all", "*": "key.create"}
    queryset = ApiKey.objects.none()

    filters = KeyFilter

    def get_queryset(self) -> QuerySet[ApiKey]:
        return ApiKey.objects.visible_to(self.actor)

    def narrow(self, rows: Any, wanted: dict[str, Any]) -> QuerySet[ApiKey]:
        if "project" in wanted:
            rows = rows.filter(project_id=wanted["project"])
        found: QuerySet[ApiKey] = rows
        return found.in_state(wanted["state"], now()) if "state" in wanted else found  # type: ignore[attr-defined]  # our own

    @extend_schema(
        request=CreateKeySerializer,
        responses={
            201: CreatedKeySerializer,
            404: refusal("not_found", "There is no such project."),
        },
        examples=[examples.CREATE_KEY, examples.CREATED_KEY],
    )
    def create(self, request: Request) -> Response:
        form = CreateKeySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return _once(*create_key(actor=self.actor, **form.validated_data))

    @extend_schema(
        request=ChangeKeySerializer,
        responses=ApiKeySerializer,
        examples=[examples.CHANGE_KEY, examples.SHOWN_KEY],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        form = ChangeKeySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        key = change_key(actor=self.actor, key_id=self.get_object().pk, **form.validated_data)
        return Response(ApiKeySerializer(key).data)

    @extend_schema(
        request=RotateKeySerializer,
        responses={
            201: CreatedKeySerializer,
            409: refusal("key_already_rotated", "This key is being replaced already."),
        },
        examples=[examples.ROTATE_KEY, examples.ROTATED_KEY],
    )
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """A new key with the same settings; the old one works for as long as the overlap says."""
        form = RotateKeySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        overlap = timedelta(seconds=form.validated_data["overlap_seconds"])
        return _once(*rotate_key(actor=self.actor, key_id=self.get_object().pk, overlap=overlap))

    @extend_schema(responses={204: None, 404: refusal("not_found", "There is no such key.")})
    def destroy(self, request: Request, pk: str) -> Response:
        """Revokes the key; its row stays for the trail."""
        revoke_key(actor=self.actor, key_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=RevokeKeysSerializer,
        responses=RevokedSerializer,
        examples=[examples.REVOKE_KEYS, examples.REVOKED],
    )
    @action(detail=False, methods=["post"])
    def revoke(self, request: Request) -> Response:
        """Revokes every live key that fits; at least one condition is needed."""
        form = RevokeKeysSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return Response({"revoked": revoke_keys(actor=self.actor, **form.validated_data)})

    @extend_schema(request=None, responses=RevokedSerializer, examples=[examples.REVOKED])
    @action(detail=False, methods=["post"], url_path="revoke-all")
    def revoke_all(self, request: Request) -> Response:
        """In an emergency: no key of the organization works any more. For owners."""
        return Response({"revoked": revoke_all_keys(actor=self.actor)})


def _once(key: ApiKey, token: str) -> Response:
    body = {**ApiKeySerializer(key).data, "token": token}
    headers = {"Cache-Control": "no-store"}
    return Response(body, status=status.HTTP_201_CREATED, headers=headers)
