"""Projects over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.actions import (
    archive_project,
    create_project,
    delete_project,
    unarchive_project,
    update_project,
)
from orgs.api.access import OrgViewSet
from orgs.api.shapes import ProjectFilter, ProjectSerializer
from orgs.models import Project

TAKEN = refusal("name_taken", "There is a project of this name already.")
DEFAULT = refusal("default_project", "The default project cannot be archived.")


class ProjectViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Where workflows, functions, datasets, tools and keys belong."""

    serializer_class = ProjectSerializer
    verbs = {"list": "project.view", "retrieve": "project.view", "*": "project.manage"}
    granted = frozenset(
        {"list", "retrieve", "partial_update", "destroy", "archive", "unarchive"}
    )  # a right on one project is as good as the role: the queryset and the actions say
    queryset = Project.objects.none()
    filters = ProjectFilter
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Project]:
        rows: QuerySet[Project] = Project.objects.visible_to(self.actor)
        return rows

    def narrow(self, rows: QuerySet[Project], wanted: dict[str, Any]) -> QuerySet[Project]:
        archived = wanted.get("archived")
        return rows if archived is None else rows.filter(archived_at__isnull=not archived)

    @extend_schema(
        request=ProjectSerializer,
        responses={201: ProjectSerializer, 409: TAKEN},
        examples=[
            OpenApiExample(
                "A project",
                value={"name": "Claims", "description": "", "restricted": False},
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        form = ProjectSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = create_project(actor=self.actor, **form.validated_data)
        return Response(ProjectSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ProjectSerializer, responses={200: ProjectSerializer, 409: TAKEN})
    def partial_update(self, request: Request, pk: str) -> Response:
        form = ProjectSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        row = update_project(
            actor=self.actor, project_id=self.get_object().pk, **form.validated_data
        )
        return Response(ProjectSerializer(row).data)

    @extend_schema(
        responses={
            204: None,
            409: refusal(
                "project_not_empty",
                "There is something in this project; archive it.",
                holds={"workflows": 3},
            ),
        }
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """Only an empty one; otherwise archive it."""
        delete_project(actor=self.actor, project_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={200: ProjectSerializer, 409: DEFAULT})
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Nothing new comes into it or starts in it, and its keys end. Runs go on to their end."""
        row = archive_project(actor=self.actor, project_id=self.get_object().pk)
        return Response(ProjectSerializer(row).data)

    @extend_schema(request=None, responses=ProjectSerializer)
    @action(detail=True, methods=["post"])
    def unarchive(self, request: Request, pk: str) -> Response:
        row = unarchive_project(actor=self.actor, project_id=self.get_object().pk)
        return Response(ProjectSerializer(row).data)
