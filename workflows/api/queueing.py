"""How runs queue and how often nodes work, over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.api.access import OrgAPIView, OrgViewSet
from workflows.actions.queueing import (
    LONGEST_TEMPLATE,
    LONGEST_TIMEOUT,
    MOST_CONCURRENT,
    MOST_PRIORITY,
    policy_of,
    set_run_policy,
)
from workflows.actions.rates import (
    LONGEST_NAME,
    LONGEST_PERIOD,
    MOST_CALLS,
    change_rate_limit,
    create_rate_limit,
    delete_rate_limit,
)
from workflows.models import NodeRateLimit, RunPolicy, Workflow

POLICY = {
    "run_timeout_seconds": 3600,
    "max_concurrent": 1,
    "concurrency_key": "{{ inputs.customer }}",
    "on_conflict": "queue",
    "priority": 0,
}
POLICY_EXAMPLE = OpenApiExample("One run a customer, an hour at most", value=POLICY)
LIMIT = {
    "scope": "connector",
    "name": "api.example.com",
    "limit": 60,
    "per_seconds": 60,
    "burst": 10,
}
LIMIT_EXAMPLE = OpenApiExample("Sixty calls a minute", value=LIMIT, request_only=True)
TAKEN = refusal("limit_taken", "There is a limit for this already.", name="api.example.com")


class RunPolicySerializer(serializers.Serializer[Any]):
    run_timeout_seconds = serializers.IntegerField(
        required=False, default=None, allow_null=True, min_value=1, max_value=LONGEST_TIMEOUT,
        help_text="From the queue to the end; a run past it is timed out. Null: no such limit.",
    )  # fmt: skip
    max_concurrent = serializers.IntegerField(
        required=False, default=None, allow_null=True, min_value=1, max_value=MOST_CONCURRENT,
        help_text="Live runs at once: of each key, or of the workflow. Null: one of each key.",
    )  # fmt: skip
    concurrency_key = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=LONGEST_TEMPLATE,
        help_text="Text with `{{ inputs.name }}`. Empty: all runs of the workflow share one.",
    )  # fmt: skip
    on_conflict = serializers.ChoiceField(
        choices=RunPolicy.OnConflict.choices, required=False, default=RunPolicy.OnConflict.QUEUE,
        help_text="What becomes of a run that starts while its key is taken.",
    )  # fmt: skip
    priority = serializers.IntegerField(
        required=False, default=0, min_value=-MOST_PRIORITY, max_value=MOST_PRIORITY,
        help_text="Of its runs, among those of the organization; the highest first.",
    )  # fmt: skip


class RunPolicyView(OrgAPIView):
    """How a workflow's runs queue."""

    verbs = {"*": "workflow.view"}
    granted = frozenset({"get", "put"})

    def _workflow(self, pk: Any) -> Workflow:
        found: Workflow | None = Workflow.objects.visible_to(self.actor).filter(pk=pk).first()
        if found is None:
            raise Http404
        return found

    @extend_schema(
        operation_id="workflows_run_policy_retrieve",
        responses=RunPolicySerializer,
        examples=[POLICY_EXAMPLE],
    )
    def get(self, request: Request, pk: str) -> Response:
        """Its time-out, concurrency key and priority; all bounds are null where none were set."""
        return Response(RunPolicySerializer(policy_of(self._workflow(pk))).data)

    @extend_schema(
        operation_id="workflows_run_policy_update",
        request=RunPolicySerializer,
        responses=RunPolicySerializer,
        examples=[POLICY_EXAMPLE],
    )
    def put(self, request: Request, pk: str) -> Response:
        """Replace it whole; what is left out bounds nothing. It holds for runs that start now."""
        form = RunPolicySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        workflow = self._workflow(pk)
        policy = set_run_policy(actor=self.actor, workflow_id=workflow.pk, **form.validated_data)
        return Response(RunPolicySerializer(policy).data)


class RateLimitSerializer(serializers.ModelSerializer[NodeRateLimit]):
    scope = serializers.ChoiceField(choices=NodeRateLimit.Scope.choices)
    name = serializers.CharField(
        max_length=LONGEST_NAME,
        help_text="A kind (`http-request`), or a connector: a host, a model, a tool.",
    )
    limit = serializers.IntegerField(min_value=1, max_value=MOST_CALLS)
    per_seconds = serializers.IntegerField(min_value=1, max_value=LONGEST_PERIOD)
    burst = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_CALLS, help_text="Default: as `limit`."
    )

    class Meta:
        model = NodeRateLimit
        fields = (
            "id", "scope", "name", "limit", "per_seconds", "burst", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = ("id", "created_at", "updated_at")
        validators: list[Any] = []  # the action says what is taken


class RateLimitFilter(serializers.Serializer[Any]):
    scope = serializers.ChoiceField(choices=NodeRateLimit.Scope.choices, required=False)
    name = serializers.CharField(required=False, max_length=LONGEST_NAME)


class RateLimitViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """How often nodes of a kind, or with a connector, may start their effects."""

    serializer_class = RateLimitSerializer
    verbs = {"list": "workflow.view", "retrieve": "workflow.view", "*": "limit.manage"}
    queryset = NodeRateLimit.objects.none()
    filters = RateLimitFilter
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[NodeRateLimit]:
        rows: QuerySet[NodeRateLimit] = NodeRateLimit.objects.visible_to(
            self.actor, self.verb_asked
        )
        return rows

    @extend_schema(
        request=RateLimitSerializer,
        responses={201: RateLimitSerializer, 409: TAKEN},
        examples=[LIMIT_EXAMPLE],
    )
    def create(self, request: Request) -> Response:
        form = RateLimitSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = create_rate_limit(actor=self.actor, **form.validated_data)
        return Response(RateLimitSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=RateLimitSerializer,
        responses={200: RateLimitSerializer, 409: TAKEN},
        examples=[LIMIT_EXAMPLE],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        form = RateLimitSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        row = change_rate_limit(
            actor=self.actor, limit_id=self.get_object().pk, **form.validated_data
        )
        return Response(RateLimitSerializer(row).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """From then on within seconds nodes are not slowed down by it."""
        delete_rate_limit(actor=self.actor, limit_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
