"""Triggers over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.api.access import OrgViewSet
from workflows.actions import (
    change_trigger,
    create_trigger,
    delete_trigger,
    fire_trigger,
    rotate_trigger,
    set_trigger_enabled,
)
from workflows.actions.triggers import Made
from workflows.api.serializers import RunSerializer
from workflows.api.trigger_shapes import (
    AFTER,
    EVERY_HOUR,
    FIELDS,
    GITHUB,
    NEW_SECRET,
    NIGHTLY,
    PREVIEWED,
    ChangeTriggerSerializer,
    FiringSerializer,
    MadeSerializer,
    NewTriggerSerializer,
    NoBodySerializer,
    PreviewSerializer,
    RotateSerializer,
    ScheduleSerializer,
    TriggerDetailSerializer,
    TriggerFilter,
    TriggerSerializer,
)
from workflows.errors import InvalidSchedule, InvalidTrigger
from workflows.models import Trigger, TriggerFiring
from workflows.triggers.configs import ScheduleSettings


class TriggerViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, OrgViewSet
):
    """What starts runs by itself. Who sees a workflow sees its triggers."""

    serializer_class = TriggerSerializer
    verbs = {
        "*": "workflow.view", "create": "workflow.edit", "partial_update": "workflow.edit",
        "destroy": "workflow.edit", "enable": "workflow.edit", "disable": "workflow.edit",
        "rotate": "workflow.edit", "fire": "workflow.run",
    }  # fmt: skip
    granted = frozenset(
        {"list", "retrieve", "create", "partial_update", "destroy", "enable", "disable", "rotate",
         "fire", "firings"}
    )  # fmt: skip
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    queryset = Trigger.objects.none()
    filters = TriggerFilter
    columns = {"workflow": "workflow_id"}

    def get_queryset(self) -> QuerySet[Trigger]:
        return Trigger.objects.visible_to(self.actor)

    def narrow(self, rows: QuerySet[Trigger], wanted: dict[str, Any]) -> QuerySet[Trigger]:
        given = {self.columns.get(name, name): value for name, value in wanted.items()}
        return rows.filter(**{name: value for name, value in given.items() if value is not None})

    def get_serializer_class(self) -> Any:
        return TriggerDetailSerializer if self.action == "retrieve" else TriggerSerializer

    @extend_schema(
        request=NewTriggerSerializer,
        responses={
            201: MadeSerializer,
            404: refusal("not_found", "There is no such workflow."),
        },
        examples=[NIGHTLY, GITHUB, AFTER],
    )
    def create(self, request: Request) -> Response:
        """A trigger of a workflow. Its runs act with the rights of whoever makes it."""
        form = NewTriggerSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        field = next(name for name in FIELDS if data[name] is not None)
        made = create_trigger(
            actor=self.actor,
            workflow_id=data["workflow"],
            kind=FIELDS[field],
            name=data["name"],
            config=dict(data[field]),
            inputs=data["inputs"],
            query=data["query"],
            enabled=data["enabled"],
            source_workflow_id=data["source_workflow"],
            secret=data["secret"],
        )
        return Response(_made(made), status=status.HTTP_201_CREATED)

    @extend_schema(request=ChangeTriggerSerializer, responses=TriggerDetailSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change it. From then on its runs act with the rights of whoever changed it."""
        row = self.get_object()
        form = ChangeTriggerSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        changes = {name: form.validated_data[name] for name in form.validated_data}
        for field, kind in FIELDS.items():
            config = changes.pop(field, None)
            if config is not None and kind != row.kind:
                raise InvalidTrigger("A trigger keeps its kind.", field=field)
            if config is not None:
                changes["config"] = dict(config)
        if "source_workflow" in changes:
            changes["source_workflow_id"] = changes.pop("source_workflow")
        changed = change_trigger(actor=self.actor, trigger_id=row.pk, **changes)
        return Response(TriggerDetailSerializer(changed).data)

    def perform_destroy(self, instance: Trigger) -> None:
        delete_trigger(actor=self.actor, trigger_id=instance.pk)

    @extend_schema(request=NoBodySerializer, responses=TriggerDetailSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Switch it on. What fell due meanwhile is not made up for."""
        return self._switch(True)

    @extend_schema(request=NoBodySerializer, responses=TriggerDetailSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Switch it off. Runs that it started go on."""
        return self._switch(False)

    def _switch(self, enabled: bool) -> Response:
        row = set_trigger_enabled(
            actor=self.actor, trigger_id=self.get_object().pk, enabled=enabled
        )
        return Response(TriggerDetailSerializer(row).data)

    @extend_schema(request=NoBodySerializer, responses={201: RunSerializer})
    @action(detail=True, methods=["post"])
    def fire(self, request: Request, pk: str) -> Response:
        """Start its run now, in your own name and with the inputs that are set for it."""
        run = fire_trigger(actor=self.actor, trigger_id=self.get_object().pk)
        return Response(RunSerializer(run).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=RotateSerializer, responses=MadeSerializer, examples=[NEW_SECRET])
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Give a webhook a new address or a new secret."""
        form = RotateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        made = rotate_trigger(
            actor=self.actor,
            trigger_id=self.get_object().pk,
            what=form.validated_data["what"],
            secret=form.validated_data["secret"],
            overlap=timedelta(seconds=form.validated_data["overlap_seconds"]),
        )
        return Response(_made(made))

    @extend_schema(responses=FiringSerializer(many=True))
    @action(detail=True)
    def firings(self, request: Request, pk: str) -> Response:
        """What became of each time it fired, newest first."""
        rows = TriggerFiring.objects.filter(trigger=self.get_object())
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(FiringSerializer(page, many=True).data)

    @extend_schema(
        request=ScheduleSerializer, responses={200: PreviewSerializer}, examples=[EVERY_HOUR]
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """The next ten occurrences of a schedule that is being thought of."""
        form = ScheduleSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return Response({"next": upcoming_of(dict(form.validated_data))})


def upcoming_of(config: dict[str, Any]) -> list[Any]:
    """The next occurrences of settings, counted from now. Raises InvalidSchedule."""
    at = now()
    wanted = ScheduleSettings.model_validate(config | {"anchor": at})
    if bool(wanted.cron) == (wanted.every_seconds is not None):
        raise InvalidSchedule("A schedule has a cron line or an interval.", field="cron")
    return wanted.rule().following(at, PREVIEWED)


def _made(made: Made) -> dict[str, Any]:
    address = settings.PUBLIC_URL + reverse("hook", args=[made.token]) if made.token else ""
    shown = {"trigger": made.trigger, "url": address, "secret": made.secret}
    return dict(MadeSerializer(shown).data)
