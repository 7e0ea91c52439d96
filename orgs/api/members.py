"""Members over HTTP. They come by invitation: see `invitations/`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.actions import change_role, remove_member
from orgs.api.access import OrgViewSet
from orgs.api.examples import organization as examples
from orgs.api.shapes import MemberDetailSerializer, MemberFilter, MembershipSerializer
from orgs.models import Membership, Organization
from orgs.reads import last_seen, members_of, narrowed, with_details


class MemberViewSet(mixins.ListModelMixin, OrgViewSet):
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
    filters = MemberFilter
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Membership]:
        return members_of(self.actor)

    def narrow(self, rows: QuerySet[Membership], wanted: dict[str, Any]) -> QuerySet[Membership]:
        return narrowed(rows, wanted.get("q", ""), wanted.get("role", ""))

    def lock_rows(self) -> None:
        """The organization's row, as the actions do: a member's own could be locked crosswise."""
        Organization.objects.select_for_update().get(pk=self.actor.organization_id)

    @extend_schema(examples=[examples.MEMBER])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(responses=MemberDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """With teams, how many live keys they made here, and when they last signed in."""
        row: Any = with_details(members_of(self.actor)).filter(pk=self.get_object().pk).get()
        row.last_seen_at = last_seen(row.user)
        return Response(MemberDetailSerializer(row).data)

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
