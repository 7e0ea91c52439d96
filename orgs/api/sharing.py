"""Sharing over HTTP: the same view for everything that can be shared."""

from __future__ import annotations

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from orgs.access import require
from orgs.api.access import OrgAPIView
from orgs.grants import grant, grants_on, revoke
from orgs.models import Project
from orgs.permissions import RIGHTS

USER = "0192f0c1-0000-7000-8000-000000000002"
TEAM = "0192f0c1-0000-7000-8000-000000000007"
HOLDERS = OpenApiExample(
    "A team that may edit it",
    value={"kind": "team", "id": TEAM, "name": "Support", "email": "", "rights": ["edit"]},
    response_only=True,
    status_codes=["200", "201"],
)
TO_PERSON = OpenApiExample(
    "Let somebody run it", value={"user": USER, "right": "run"}, request_only=True
)
TO_TEAM = OpenApiExample(
    "Let a team edit it", value={"team": TEAM, "right": "edit"}, request_only=True
)


class GrantSerializer(serializers.Serializer[Any]):
    """One person or one team, and one right."""

    user = serializers.UUIDField(required=False)
    team = serializers.UUIDField(required=False)
    right = serializers.ChoiceField(choices=RIGHTS)


class HolderSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=("user", "team"))
    id = serializers.UUIDField()
    name = serializers.CharField()
    email = serializers.CharField(help_text="Empty for a team.")
    rights = serializers.ListField(child=serializers.CharField())


class SharingView(OrgAPIView):
    """Who a thing was shared with. Subclasses say which things, and the verb sharing takes.

    A stronger right brings the weaker ones; guests and members share what they hold `admin` on.
    """

    granted = frozenset({"get", "post", "delete"})  # asked about the object, not the role
    model: ClassVar[Any]
    verb: ClassVar[str]

    def thing(self, pk: Any) -> Any:
        found = get_object_or_404(self.model.objects.visible_to(self.actor), pk=pk)
        require(self.actor, self.verb, found)
        return found

    @extend_schema(responses=HolderSerializer(many=True), examples=[HOLDERS])
    def get(self, request: Request, pk: Any) -> Response:
        """Every person and team this was shared with."""
        return Response(self._holders(self.thing(pk)))

    @extend_schema(
        request=GrantSerializer,
        responses={201: HolderSerializer(many=True)},
        examples=[TO_PERSON, TO_TEAM, HOLDERS],
    )
    def post(self, request: Request, pk: Any) -> Response:
        """Share it with a member of the organization, who may be a guest, or with a team."""
        found = self.thing(pk)
        grant(actor=self.actor, obj=found, verb=self.verb, **_valid(request.data))
        return Response(self._holders(found), status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[GrantSerializer], responses={204: None})
    def delete(self, request: Request, pk: Any) -> Response:
        """Take one right back: `?user=…&right=…` or `?team=…&right=…`."""
        found = self.thing(pk)
        revoke(actor=self.actor, obj=found, verb=self.verb, **_valid(request.query_params))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @staticmethod
    def _holders(found: Any) -> Any:
        return HolderSerializer(grants_on(found), many=True).data


def named(noun: str) -> Any:
    """Decorate a subclass: clients are generated from the names of operations."""
    return extend_schema_view(
        get=extend_schema(operation_id=f"{noun}_grants_list"),
        post=extend_schema(operation_id=f"{noun}_grants_create"),
        delete=extend_schema(operation_id=f"{noun}_grants_destroy"),
    )


@named("project")
class ProjectSharingView(SharingView):
    """A right on a project is one on everything in it."""

    verbs = {"*": "project.manage"}
    model = Project
    verb = "project.manage"


def _valid(given: Any) -> dict[str, Any]:
    form = GrantSerializer(data=given)
    form.is_valid(raise_exception=True)
    said = form.validated_data
    return {"user_id": said.get("user"), "team_id": said.get("team"), "right": said["right"]}
