"""Invitations over HTTP: an organization's, and those to the caller."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.actions import (
    accept_invitation,
    create_invitation,
    decline_invitation,
    resend_invitation,
    revoke_invitation,
)
from orgs.api.access import OrgViewSet
from orgs.api.persons import PersonViewSet
from orgs.api.shapes import (
    InvitationSerializer,
    InviteSerializer,
    MembershipSerializer,
    MyInvitationSerializer,
)
from orgs.models import Invitation
from orgs.reads import invitations_for

CLOSED = refusal("invitation_closed", "This invitation is not open any more.", state="revoked")


class InvitationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Whom the organization has asked to join. A link's secret is in its mail and nowhere else."""

    serializer_class = InvitationSerializer
    verbs = {"*": "member.manage"}
    queryset = Invitation.objects.none()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Invitation]:
        return Invitation.objects.visible_to(self.actor)

    @extend_schema(
        request=InviteSerializer,
        responses={
            201: InvitationSerializer,
            404: refusal("not_found", "There is no such team."),
            409: refusal("invitation_pending", "This address is invited already."),
        },
        examples=[
            OpenApiExample(
                "Somebody to build",
                value={"email": "mei@example.com", "role": "builder", "teams": []},
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """Mails a link. The answer does not tell whether anybody has an account there."""
        form = InviteSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = create_invitation(
            actor=self.actor,
            email=form.validated_data["email"],
            role=form.validated_data["role"],
            team_ids=form.validated_data["teams"],
        )
        return Response(InvitationSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={200: InvitationSerializer, 409: CLOSED})
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """Another mail with another link; the former one is dead."""
        row = resend_invitation(actor=self.actor, invitation_id=self.get_object().pk)
        return Response(InvitationSerializer(row).data)

    @extend_schema(responses={204: None, 409: CLOSED})
    def destroy(self, request: Request, pk: str) -> Response:
        """Takes it back; its row stays for the trail."""
        revoke_invitation(actor=self.actor, invitation_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MyInvitationViewSet(mixins.ListModelMixin, PersonViewSet):
    """Open invitations to an address the caller is known to read."""

    serializer_class = MyInvitationSerializer
    queryset = Invitation.objects.none()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Invitation]:
        return invitations_for(self.person)

    @extend_schema(request=None, responses={200: MembershipSerializer, 409: CLOSED})
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """The caller is a member from now on."""
        row = accept_invitation(user=self.person, invitation_id=self.get_object().pk)
        return Response(MembershipSerializer(row).data)

    @extend_schema(request=None, responses={204: None, 409: CLOSED})
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, pk: str) -> Response:
        decline_invitation(user=self.person, invitation_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
