"""Teams and their people over HTTP."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.actions import (
    add_to_team,
    create_team,
    delete_team,
    remove_from_team,
    set_lead,
    update_team,
)
from orgs.api.access import OrgViewSet
from orgs.api.shapes import JoinTeamSerializer, TeamMemberSerializer, TeamSerializer
from orgs.models import Team, TeamMembership
from orgs.reads import people_of, teams_with_size

TAKEN = refusal("name_taken", "There is a team of this name already.")
NEW = OpenApiExample(
    "A team", value={"name": "Support", "description": "Answers customers."}, request_only=True
)


class TeamViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """People who get at things together."""

    serializer_class = TeamSerializer
    verbs = {
        "list": "member.view",
        "retrieve": "member.view",
        "members": "member.view",
        "add_member": "member.view",  # a lead may too: the action asks
        "*": "team.manage",
    }
    queryset = Team.objects.none()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Team]:
        return teams_with_size(self.actor)

    @extend_schema(
        request=TeamSerializer, responses={201: TeamSerializer, 409: TAKEN}, examples=[NEW]
    )
    def create(self, request: Request) -> Response:
        form = TeamSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        team = create_team(actor=self.actor, **form.validated_data)
        return Response(TeamSerializer(team).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=TeamSerializer, responses={200: TeamSerializer, 409: TAKEN})
    def partial_update(self, request: Request, pk: str) -> Response:
        form = TeamSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        update_team(actor=self.actor, team_id=self.get_object().pk, **form.validated_data)
        return Response(TeamSerializer(self.get_object()).data)

    @extend_schema(responses={204: None, 404: refusal("not_found", "There is no such team.")})
    def destroy(self, request: Request, pk: str) -> Response:
        """What was shared with the team is not shared with its people any more."""
        delete_team(actor=self.actor, team_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=TeamMemberSerializer(many=True))
    @action(detail=True)
    def members(self, request: Request, pk: str) -> Response:
        page = self.paginate_queryset(people_of(self.get_object()))
        return self.get_paginated_response(TeamMemberSerializer(page, many=True).data)

    @extend_schema(
        request=JoinTeamSerializer,
        responses={
            201: TeamMemberSerializer,
            409: refusal("already_member", "This person is in the team already."),
        },
    )
    @members.mapping.post
    def add_member(self, request: Request, pk: str) -> Response:
        """Who manages teams may, and a lead of this team."""
        form = JoinTeamSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = add_to_team(
            actor=self.actor,
            team_id=self.get_object().pk,
            membership_id=form.validated_data["member"],
            lead=form.validated_data["lead"],
        )
        return Response(TeamMemberSerializer(row).data, status=status.HTTP_201_CREATED)


class TeamMemberViewSet(OrgViewSet):
    """One person in one team."""

    serializer_class = TeamMemberSerializer
    verbs = {"*": "member.view"}  # a lead may, and anybody may leave: the actions ask
    queryset = TeamMembership.objects.none()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[TeamMembership]:
        rows = TeamMembership.objects.visible_to(self.actor)
        return rows.select_related("member__user")

    @extend_schema(request=TeamMemberSerializer, responses=TeamMemberSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Makes somebody a lead of the team, or takes that back."""
        form = TeamMemberSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = self.get_object()
        row = set_lead(
            actor=self.actor,
            team_membership_id=row.pk,
            lead=form.validated_data.get("lead", row.lead),
        )
        return Response(TeamMemberSerializer(row).data)

    @extend_schema(responses={204: None, 404: refusal("not_found", "There is no such member.")})
    def destroy(self, request: Request, pk: str) -> Response:
        remove_from_team(actor=self.actor, team_membership_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
