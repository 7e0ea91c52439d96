"""JSON shapes of billing. Every amount is an integer number of nanos."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.actions import LARGEST
from billing.models import LedgerEntry, Price, UsageRecord, Wallet
from core.fields import TraceIdField


class WalletSerializer(serializers.ModelSerializer[Wallet]):
    available = serializers.IntegerField(read_only=True)

    class Meta:
        model = Wallet
        fields = ("id", "currency", "balance", "held", "available", "credit_limit", "created_at")


class TopUpSerializer(serializers.Serializer[Any]):
    amount = serializers.IntegerField(min_value=1, max_value=LARGEST, help_text="Nanos.")
    ref = serializers.CharField(
        max_length=255, help_text="Names this payment; sent again, it pays nothing twice."
    )
    note = serializers.CharField(max_length=255, required=False, default="", allow_blank=True)


class LedgerEntrySerializer(serializers.ModelSerializer[LedgerEntry]):
    hold = serializers.UUIDField(source="hold_id", read_only=True, allow_null=True)

    class Meta:
        model = LedgerEntry
        fields = (
            "id", "kind", "debit", "credit", "amount", "balance_after", "hold", "ref", "note",
            "trace_id", "user_id", "created_at",
        )  # fmt: skip


class UsageSerializer(serializers.ModelSerializer[UsageRecord]):
    hold = serializers.UUIDField(source="hold_id", read_only=True)

    class Meta:
        model = UsageRecord
        fields = (
            "id", "hold", "model", "deployment", "prompt_tokens", "cached_tokens",
            "completion_tokens", "cost", "shortfall", "usage_source", "outcome", "latency_ms",
            "ttft_ms", "stream", "trace_id", "run_id", "node_id", "api_key_id", "user_id",
            "created_at",
        )  # fmt: skip


class PriceSerializer(serializers.ModelSerializer[Price]):
    own = serializers.SerializerMethodField(help_text="False: the price for everybody.")

    class Meta:
        model = Price
        fields = (
            "id", "model", "valid_from", "input", "cached_input", "output", "per_call", "own",
        )  # fmt: skip

    def get_own(self, price: Price) -> bool:
        return price.organization_id is not None


class SetPriceSerializer(serializers.Serializer[Any]):
    """Nanos per 1,000,000 tokens; `per_call` in nanos."""

    model = serializers.CharField(max_length=120)
    input = serializers.IntegerField(min_value=0, max_value=LARGEST)
    cached_input = serializers.IntegerField(
        min_value=0, max_value=LARGEST, required=False, allow_null=True, default=None
    )
    output = serializers.IntegerField(min_value=0, max_value=LARGEST)
    per_call = serializers.IntegerField(min_value=0, max_value=LARGEST, required=False, default=0)
    valid_from = serializers.DateTimeField(required=False, allow_null=True, default=None)


class PriceFilter(serializers.Serializer[Any]):
    model = serializers.CharField(max_length=120, required=False)


class LedgerFilter(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=LedgerEntry.Kind.choices, required=False)
    trace_id = TraceIdField(required=False)
    hold = serializers.UUIDField(required=False)


class UsageFilter(serializers.Serializer[Any]):
    model = serializers.CharField(max_length=120, required=False)
    run_id = serializers.UUIDField(required=False)
    trace_id = TraceIdField(required=False)
    api_key_id = serializers.UUIDField(required=False)
    outcome = serializers.ChoiceField(choices=UsageRecord.Outcome.choices, required=False)
    since = serializers.DateTimeField(required=False, help_text="Inclusive.")
    until = serializers.DateTimeField(required=False, help_text="Exclusive.")
