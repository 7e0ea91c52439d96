"""Providers and models over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.prices import prices_of
from core.schema import refusal
from llm.actions import (
    create_model,
    create_provider,
    delete_model,
    delete_provider,
    update_model,
    update_provider,
)
from llm.api.serializers import (
    ChangeModelSerializer,
    CheckedSerializer,
    CreateModelSerializer,
    ModelSerializer,
    ProviderSerializer,
    WriteProviderSerializer,
)
from llm.checks import check_provider
from llm.models import Model, Provider
from llm.offline import ensure_offline_model
from orgs.api.access import OrgViewSet


class ProviderViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Where models run. Keys are stored encrypted and never given out."""

    serializer_class = ProviderSerializer
    verbs = {"list": "model.view", "retrieve": "model.view", "*": "model.manage"}
    apart = frozenset({"check"})
    orderings = {"created_at": "pk", "name": "name"}
    queryset = Provider.objects.none()

    def get_queryset(self) -> QuerySet[Provider]:
        ensure_offline_model(self.actor.organization_id)
        return Provider.objects.visible_to(self.actor, self.verb_asked)

    @extend_schema(
        request=WriteProviderSerializer,
        responses={201: ProviderSerializer},
        examples=[
            OpenApiExample(
                "OpenAI",
                request_only=True,
                value={
                    "name": "OpenAI",
                    "base_url": "https://api.openai.com/v1",
                    "api_key": "sk-…",
                    "limit_parameter": "max_completion_tokens",
                },
            )
        ],
    )
    def create(self, request: Request) -> Response:
        form = WriteProviderSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        provider = create_provider(actor=self.actor, **form.validated_data)
        return Response(ProviderSerializer(provider).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=WriteProviderSerializer, responses=ProviderSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        form = WriteProviderSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        provider = update_provider(
            actor=self.actor, provider_id=self.get_object().pk, **form.validated_data
        )
        return Response(ProviderSerializer(provider).data)

    def destroy(self, request: Request, pk: str) -> Response:
        delete_provider(actor=self.actor, provider_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=None,
        responses={
            200: CheckedSerializer,
            502: refusal(
                "provider_check_failed",
                "The provider could not be reached.",
                reason="The server could not be reached.",
            ),
            504: refusal("outgoing_timeout", "The server took too long."),
        },
    )
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str) -> Response:
        """Try the connection: answers with the names of the provider's models."""
        names = check_provider(actor=self.actor, provider_id=self.get_object().pk)
        return Response({"models": names})


class ModelViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Models under the names that callers and workflows use."""

    serializer_class = ModelSerializer
    verbs = {"list": "model.view", "retrieve": "model.view", "*": "model.manage"}
    orderings = {"created_at": "pk", "name": "name"}
    queryset = Model.objects.none()

    def get_queryset(self) -> QuerySet[Model]:
        ensure_offline_model(self.actor.organization_id)
        return Model.objects.visible_to(self.actor, self.verb_asked).select_related("provider")

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if getattr(self, "actor", None):  # absent while the API's description is drawn up
            context["prices"] = prices_of(self.actor.organization_id)
        return context

    @extend_schema(
        request=CreateModelSerializer,
        responses={
            201: ModelSerializer,
            404: refusal("not_found", "There is no such provider."),
        },
    )
    def create(self, request: Request) -> Response:
        """Name a model and its price."""
        form = CreateModelSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        fields = dict(form.validated_data)
        model = create_model(actor=self.actor, provider_id=fields.pop("provider"), **fields)
        return Response(self.get_serializer(model).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ChangeModelSerializer, responses=ModelSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        form = ChangeModelSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        fields = dict(form.validated_data)
        model = update_model(
            actor=self.actor,
            model_id=self.get_object().pk,
            provider_id=fields.pop("provider", None),
            **fields,
        )
        return Response(self.get_serializer(model).data)

    def destroy(self, request: Request, pk: str) -> Response:
        delete_model(actor=self.actor, model_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
