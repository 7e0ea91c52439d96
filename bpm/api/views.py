"""Tasks over HTTP: parse, find what the caller may see, act, render."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from bpm.actions import claim_task, comment_task, decide_task, release_task
from bpm.api import examples
from bpm.api.serializers import (
    CommentInputSerializer,
    CommentSerializer,
    DecideSerializer,
    TaskDetailSerializer,
    TaskQuerySerializer,
    TaskSerializer,
)
from bpm.models import HumanTask
from orgs.api.access import OrgViewSet

EXACT = {"status": "status", "kind": "process__kind", "subject_id": "process__subject_id"}


@extend_schema_view(
    list=extend_schema(
        summary="List tasks, newest first",
        responses=TaskSerializer(many=True),
        examples=[examples.LISTED],
    ),
    retrieve=extend_schema(
        summary="Show a task with its form, decisions and comments", examples=[examples.SHOWN]
    ),
)
class TaskViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """What people are asked to do or decide in the organization.

    Refusals: `permission_denied` (403) for who is no candidate, `not_found` (404) for another
    organization's task, and 409 with `task_claimed`, `task_not_claimed`, `task_decided` or
    `task_cancelled`.
    """

    serializer_class = TaskDetailSerializer
    verbs = {
        "claim": "task.decide",
        "release": "task.decide",
        "decide": "task.decide",
        "*": "task.view",
    }
    queryset = HumanTask.objects.none()
    filters = TaskQuerySerializer
    lookup_value_converter = "uuid"

    def get_serializer_class(self) -> Any:
        return TaskSerializer if self.action == "list" else TaskDetailSerializer

    def get_queryset(self) -> QuerySet[HumanTask]:
        tasks = HumanTask.objects.visible_to(self.actor).with_people()
        return tasks if self.action == "list" else tasks.with_history()

    def narrow(self, tasks: Any, wanted: dict[str, Any]) -> QuerySet[HumanTask]:
        if wanted.get("mine"):
            tasks = tasks.inbox_of(self.actor)
        return tasks.filter(**{EXACT[name]: wanted[name] for name in EXACT if name in wanted})

    @extend_schema(
        summary="Take a task in hand",
        request=None,
        responses=TaskDetailSerializer,
        examples=[examples.CLAIMED],
    )
    @action(detail=True, methods=["post"])
    def claim(self, request: Request, pk: str) -> Response:
        claim_task(actor=self.actor, task_id=pk)
        return self._shown()

    @extend_schema(
        summary="Give a claimed task back",
        request=None,
        responses=TaskDetailSerializer,
        examples=[examples.SHOWN],
    )
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        release_task(actor=self.actor, task_id=pk)
        return self._shown()

    @extend_schema(
        summary="Decide: choose one of the task's actions",
        request=DecideSerializer,
        responses=TaskDetailSerializer,
        examples=examples.DECIDING,
    )
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: str) -> Response:
        form = DecideSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        decide_task(actor=self.actor, task_id=pk, **form.validated_data)
        return self._shown()

    @extend_schema(
        summary="Say something about a task",
        request=CommentInputSerializer,
        responses={201: CommentSerializer},
        examples=examples.COMMENTING,
    )
    @action(detail=True, methods=["post"])
    def comment(self, request: Request, pk: str) -> Response:
        form = CommentInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        comment = comment_task(actor=self.actor, task_id=pk, text=form.validated_data["text"])
        return Response(CommentSerializer(comment).data, status=status.HTTP_201_CREATED)

    def _shown(self) -> Response:
        return Response(TaskDetailSerializer(self.get_object()).data)
