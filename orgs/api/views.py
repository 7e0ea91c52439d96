"""Organizations and members over HTTP."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.access import memberships_of
from orgs.actions import (
    add_member,
    change_role,
    remove_member,
    rename_organization,
    set_cors_origins,
)
from orgs.api import examples
from orgs.api.access import OrgAPIView, OrgViewSet
from orgs.api.serializers import (
    AddMemberSerializer,
    ChangeOrganizationSerializer,
    MembershipSerializer,
    OrganizationSerializer,
)
from orgs.models import Membership, Organization


class MeView(OrgAPIView):
    """Who is calling, in which organization, and which others they could name."""

    verbs = {"*": "org.view"}
    granted = frozenset({"get"})

    @extend_schema(
        responses={200: dict[str, Any]},
        examples=[
            OpenApiExample(
                "A person",
                value={
                    "kind": "user",
                    "email": "ada@example.com",
                    "organization": "0192f0c1-0000-7000-8000-000000000001",
                    "role": "owner",
                    "organizations": [
                        {
                            "id": "0192f0c1-0000-7000-8000-000000000001",
                            "name": "Northwind",
                            "role": "owner",
                        }
                    ],
                },
            )
        ],
    )
    def get(self, request: Request) -> Response:
        actor = self.actor
        rows = memberships_of(actor.user_id) if actor.user_id else []
        return Response(
            {
                "kind": actor.kind,
                "email": getattr(request.user, "email", None),
                "organization": actor.organization_id,
                "role": actor.role or None,
                "scopes": sorted(actor.scopes) if actor.scopes is not None else None,
                "organizations": [
                    {"id": row.organization_id, "name": row.organization.name, "role": row.role}
                    for row in rows
                ],
            }
        )


class OrganizationView(OrgAPIView):
    """The organization the caller acts in."""

    verbs = {"get": "org.view", "patch": "org.manage"}

    @extend_schema(responses=OrganizationSerializer, examples=[examples.ORGANIZATION])
    def get(self, request: Request) -> Response:
        row = Organization.objects.get(pk=self.actor.organization_id)
        return Response(OrganizationSerializer(row).data)

    @extend_schema(
        request=ChangeOrganizationSerializer,
        responses=OrganizationSerializer,
        examples=[examples.RENAME, examples.ORGANIZATION],
    )
    @transaction.atomic
    def patch(self, request: Request) -> Response:
        """What is left out stays as it is."""
        form = ChangeOrganizationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        if "name" in given:
            rename_organization(actor=self.actor, name=given["name"])
        if "cors_origins" in given:
            set_cors_origins(actor=self.actor, origins=given["cors_origins"])
        row = Organization.objects.get(pk=self.actor.organization_id)
        return Response(OrganizationSerializer(row).data)


@extend_schema_view(
    list=extend_schema(examples=[examples.MEMBER]),
    retrieve=extend_schema(examples=[examples.MEMBER]),
)
class MemberViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """The people of the organization and their roles."""

    serializer_class = MembershipSerializer
    verbs = {
        "list": "member.view",
        "retrieve": "member.view",
        "destroy": "org.view",
        "*": "member.manage",
    }
    granted = frozenset({"list", "retrieve"})  # guests find themselves
    queryset = Membership.objects.none()

    def lock_rows(self) -> None:
        """The organization's row, as the actions do: a member's own could be locked crosswise."""
        Organization.objects.select_for_update().get(pk=self.actor.organization_id)

    def get_queryset(self) -> QuerySet[Membership]:
        return Membership.objects.visible_to(self.actor).select_related("user")

    @extend_schema(
        request=AddMemberSerializer,
        responses={
            201: MembershipSerializer,
            404: refusal("not_found", "Nobody has an account with this address."),
        },
        examples=[examples.ADD_MEMBER, examples.MEMBER],
    )
    def create(self, request: Request) -> Response:
        form = AddMemberSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = add_member(actor=self.actor, **form.validated_data)
        return Response(MembershipSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=MembershipSerializer,
        responses=MembershipSerializer,
        examples=[examples.CHANGE_ROLE, examples.MEMBER],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        form = MembershipSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = self.get_object()
        row = change_role(
            actor=self.actor, membership_id=row.pk, role=form.validated_data.get("role", row.role)
        )
        return Response(MembershipSerializer(row).data)

    @extend_schema(
        responses={
            204: None,
            409: refusal("last_owner", "An organization needs at least one owner."),
        }
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """Removes a member; removing oneself is leaving, and needs no right."""
        remove_member(actor=self.actor, membership_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
