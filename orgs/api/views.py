"""API keys over HTTP."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.actions import create_key, revoke_key
from orgs.api import examples
from orgs.api.access import OrgViewSet
from orgs.api.serializers import ApiKeySerializer, CreatedKeySerializer, CreateKeySerializer
from orgs.models import ApiKey


@extend_schema_view(
    list=extend_schema(examples=[examples.SHOWN_KEY]),
    retrieve=extend_schema(examples=[examples.SHOWN_KEY]),
)
class ApiKeyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Keys for programs. A key's token is in the answer that creates it and nowhere else."""

    serializer_class = ApiKeySerializer
    verbs = {"*": "key.manage"}
    queryset = ApiKey.objects.none()

    def get_queryset(self) -> QuerySet[ApiKey]:
        return ApiKey.objects.of(self.actor.organization_id)

    @extend_schema(
        request=CreateKeySerializer,
        responses={201: CreatedKeySerializer},
        examples=[examples.CREATE_KEY, examples.CREATED_KEY],
    )
    def create(self, request: Request) -> Response:
        form = CreateKeySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        key, token = create_key(actor=self.actor, **form.validated_data)
        body = {**ApiKeySerializer(key).data, "token": token}
        return Response(body, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None, 404: refusal("not_found", "There is no such key.")})
    def destroy(self, request: Request, pk: str) -> Response:
        """Revokes the key; its row stays for the trail."""
        revoke_key(actor=self.actor, key_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
