"""JSON shapes of llm. A provider's key goes in and never comes out."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.actions import LARGEST
from llm.models import Model, Provider


class ProviderSerializer(serializers.ModelSerializer[Provider]):
    has_key = serializers.SerializerMethodField(help_text="Whether a key is stored.")

    class Meta:
        model = Provider
        fields = (
            "id", "name", "kind", "base_url", "limit_parameter", "enabled", "has_key",
            "created_at", "updated_at",
        )  # fmt: skip

    def get_has_key(self, provider: Provider) -> bool:
        return bool(provider.api_key)


class WriteProviderSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    base_url = serializers.CharField(
        max_length=500, help_text="Up to and including /v1; a public address."
    )
    api_key = serializers.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        write_only=True,
        help_text="Left out or empty: the stored one stays.",
    )
    limit_parameter = serializers.ChoiceField(
        choices=Provider.LimitParameter.choices, required=False
    )
    enabled = serializers.BooleanField(required=False)


class CheckedSerializer(serializers.Serializer[Any]):
    models = serializers.ListField(child=serializers.CharField())


class ModelSerializer(serializers.ModelSerializer[Model]):
    provider_name = serializers.CharField(source="provider.name", read_only=True)
    price = serializers.SerializerMethodField(help_text="In force now; null: cannot be called.")

    class Meta:
        model = Model
        fields = (
            "id", "name", "provider", "provider_name", "upstream_name", "context_window",
            "max_output_tokens", "enabled", "price", "created_at", "updated_at",
        )  # fmt: skip

    def get_price(self, model: Model) -> dict[str, Any] | None:
        tag = self.context["prices"].get(model.name)
        if tag is None:
            return None
        return {
            "input": tag.input,
            "cached_input": tag.cached_input,
            "output": tag.output,
            "per_call": tag.per_call,
        }


class ChangeModelSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    provider = serializers.UUIDField()
    upstream_name = serializers.CharField(max_length=160, required=False, allow_blank=True)
    context_window = serializers.IntegerField(required=False, min_value=1, max_value=100_000_000)
    max_output_tokens = serializers.IntegerField(required=False, min_value=1, max_value=100_000_000)
    enabled = serializers.BooleanField(required=False)


class CreateModelSerializer(ChangeModelSerializer):
    input_price = serializers.IntegerField(
        min_value=0, max_value=LARGEST, help_text="Nanos per 1,000,000 tokens."
    )
    cached_input_price = serializers.IntegerField(
        min_value=0, max_value=LARGEST, required=False, allow_null=True, default=None
    )
    output_price = serializers.IntegerField(min_value=0, max_value=LARGEST)
    per_call = serializers.IntegerField(min_value=0, max_value=LARGEST, required=False, default=0)
