"""Sharing one workflow with one person."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from orgs.access import require
from orgs.api.access import OrgAPIView
from orgs.grants import grant, grants_on, revoke
from orgs.permissions import GRANTABLE
from workflows.models import Workflow

EXAMPLE = {"user": "0192f0c1-0000-7000-8000-000000000002", "right": "run"}


class GrantSerializer(serializers.Serializer[Any]):
    user = serializers.UUIDField()
    right = serializers.ChoiceField(choices=GRANTABLE)


class HolderSerializer(serializers.Serializer[Any]):
    user = serializers.UUIDField(source="pk")
    email = serializers.EmailField()
    name = serializers.CharField(source="get_full_name")
    rights = serializers.ListField(child=serializers.CharField())


class GrantsView(OrgAPIView):
    """A stronger right includes the weaker ones: view, run, edit, publish."""

    verbs = {"*": "workflow.edit"}
    granted = frozenset({"get", "post", "delete"})  # who was granted `edit` alone shares, too

    def workflow(self, pk: Any) -> Workflow:
        found = get_object_or_404(Workflow.objects.visible_to(self.actor), pk=pk)
        require(self.actor, "workflow.edit", found)
        return found

    @extend_schema(
        operation_id="workflow_grants_list",
        responses=HolderSerializer(many=True),
        examples=[
            OpenApiExample(
                "Shared with a guest",
                value={
                    "user": EXAMPLE["user"],
                    "email": "guest@example.com",
                    "name": "Gia Guest",
                    "rights": ["view", "run"],
                },
            )
        ],
    )
    def get(self, request: Request, pk: Any) -> Response:
        """Everybody this workflow was shared with."""
        return Response(_holders(self.workflow(pk)))

    @extend_schema(
        operation_id="workflow_grants_create",
        request=GrantSerializer,
        responses={201: HolderSerializer(many=True)},
        examples=[OpenApiExample("Let somebody run it", value=EXAMPLE, request_only=True)],
    )
    def post(self, request: Request, pk: Any) -> Response:
        """Share it with a member of the organization, who may be a guest."""
        found = self.workflow(pk)
        form = _valid(request.data)
        grant(actor=self.actor, obj=found, verb="workflow.edit", **form)
        return Response(_holders(found), status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="workflow_grants_destroy",
        parameters=[GrantSerializer],
        responses={204: None},
    )
    def delete(self, request: Request, pk: Any) -> Response:
        """Take one right back: `?user=…&right=…`."""
        found = self.workflow(pk)
        form = _valid(request.query_params)
        revoke(actor=self.actor, obj=found, verb="workflow.edit", **form)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _valid(given: Any) -> dict[str, Any]:
    form = GrantSerializer(data=given)
    form.is_valid(raise_exception=True)
    return {"user_id": form.validated_data["user"], "right": form.validated_data["right"]}


def _holders(workflow: Workflow) -> list[dict[str, Any]]:
    return [
        {"user": user.pk, "email": user.email, "name": user.get_full_name(), "rights": rights}
        for user, rights in grants_on(workflow)
    ]
