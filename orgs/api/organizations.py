"""Organizations over HTTP: one's own, the one the caller acts in, its end."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.access import memberships_of
from orgs.actions import (
    close_organization,
    found_organization,
    keep_organization,
    set_audit_retention,
    set_cors_origins,
    set_run_retention,
    transfer_ownership,
    update_organization,
)
from orgs.api.access import OrgAPIView
from orgs.api.examples import organization as examples
from orgs.api.persons import PersonViewSet
from orgs.api.shapes import (
    ChangeOrganizationSerializer,
    ChoiceSerializer,
    CloseSerializer,
    FoundSerializer,
    MembershipSerializer,
    OrganizationSerializer,
    TransferSerializer,
)
from orgs.models import Membership, Organization

CLOSING = refusal("organization_closing", "This organization is being closed already.")


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


class OrganizationsViewSet(mixins.ListModelMixin, PersonViewSet):
    """The caller's organizations, and the way to found further ones."""

    serializer_class = ChoiceSerializer
    queryset = Membership.objects.none()

    def get_queryset(self) -> QuerySet[Membership]:
        return Membership.objects.filter(user=self.person).select_related("organization")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Newest membership first. Name one in `X-Organization` to act in it."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        request=FoundSerializer,
        responses={
            201: OrganizationSerializer,
            409: refusal("too_many_organizations", "You own as many organizations as one can."),
        },
        examples=[examples.ORGANIZATION],
    )
    def create(self, request: Request) -> Response:
        """The caller becomes its owner."""
        form = FoundSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = found_organization(user_id=self.person.pk, name=form.validated_data["name"])
        return Response(OrganizationSerializer(row).data, status=status.HTTP_201_CREATED)


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
        given = dict(form.validated_data)
        if "cors_origins" in given:
            set_cors_origins(actor=self.actor, origins=given.pop("cors_origins"))
        if "audit_retention_days" in given:
            set_audit_retention(actor=self.actor, days=given.pop("audit_retention_days"))
        if "run_retention_days" in given:
            set_run_retention(actor=self.actor, days=given.pop("run_retention_days"))
        row = update_organization(actor=self.actor, **given)
        return Response(OrganizationSerializer(row).data)


class CloseView(OrgAPIView):
    """Announces the organization's end."""

    verbs = {"*": "org.close"}

    @extend_schema(
        request=CloseSerializer,
        responses={
            200: OrganizationSerializer,
            400: refusal("not_confirmed", "Type the organization's name as it stands."),
            409: CLOSING,
        },
        examples=[
            OpenApiExample(
                "Sure of it",
                value={"name": "Northwind", "reason": "We have moved."},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """It is deleted after the days of grace (`closing_at`), unless an owner keeps it."""
        form = CloseSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = close_organization(actor=self.actor, **form.validated_data)
        return Response(OrganizationSerializer(row).data)


class KeepView(OrgAPIView):
    """Stops the end that was announced."""

    verbs = {"*": "org.close"}

    @extend_schema(request=None, responses=OrganizationSerializer)
    def post(self, request: Request) -> Response:
        return Response(OrganizationSerializer(keep_organization(actor=self.actor)).data)


class TransferView(OrgAPIView):
    """Hands the organization over."""

    verbs = {"*": "org.close"}

    @extend_schema(
        request=TransferSerializer,
        responses={
            200: MembershipSerializer,
            404: refusal("not_found", "There is no such member."),
        },
    )
    def post(self, request: Request) -> Response:
        """The named member becomes an owner, the caller an administrator, in one step."""
        form = TransferSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = transfer_ownership(actor=self.actor, membership_id=form.validated_data["member"])
        return Response(MembershipSerializer(row).data)
