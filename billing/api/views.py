"""Wallet, ledger, usage and prices over HTTP."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.actions import set_price, top_up_wallet
from billing.api.serializers import (
    LedgerEntrySerializer,
    LedgerFilter,
    PriceFilter,
    PriceSerializer,
    SetPriceSerializer,
    TopUpSerializer,
    UsageFilter,
    UsageSerializer,
    WalletSerializer,
)
from billing.models import LedgerEntry, Price, UsageRecord, Wallet
from orgs.api.access import OrgAPIView, OrgViewSet


class WalletView(OrgAPIView):
    """What the organization can spend."""

    verbs = {"*": "wallet.view"}

    @extend_schema(responses=WalletSerializer)
    def get(self, request: Request) -> Response:
        wallet = Wallet.objects.for_organization(self.actor.organization_id)
        return Response(WalletSerializer(wallet).data)


class TopUpView(OrgAPIView):
    verbs = {"*": "wallet.topup"}

    @extend_schema(
        request=TopUpSerializer,
        responses={201: LedgerEntrySerializer},
        examples=[
            OpenApiExample(
                "Ten dollars",
                request_only=True,
                value={"amount": 10_000_000_000, "ref": "invoice-2026-117", "note": "Card"},
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Pay in. The same `ref` again answers with the same entry."""
        form = TopUpSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        entry = top_up_wallet(actor=self.actor, **form.validated_data)
        return Response(LedgerEntrySerializer(entry).data, status=status.HTTP_201_CREATED)


class LedgerViewSet(mixins.ListModelMixin, OrgViewSet):
    """Every movement of the wallet, newest first."""

    serializer_class = LedgerEntrySerializer
    verbs = {"*": "wallet.view"}
    queryset = LedgerEntry.objects.none()
    filters = LedgerFilter
    columns = {"hold": "hold_id"}

    def get_queryset(self) -> QuerySet[LedgerEntry]:
        return LedgerEntry.objects.visible_to(self.actor)


class UsageViewSet(mixins.ListModelMixin, OrgViewSet):
    """Every model call, newest first."""

    serializer_class = UsageSerializer
    verbs = {"*": "usage.view"}
    queryset = UsageRecord.objects.none()
    filters = UsageFilter
    columns = {"since": "created_at__gte", "until": "created_at__lt"}

    def get_queryset(self) -> QuerySet[UsageRecord]:
        return UsageRecord.objects.visible_to(self.actor)


class PriceViewSet(mixins.ListModelMixin, OrgViewSet):
    """The organization's own prices and those for everybody, newest first."""

    serializer_class = PriceSerializer
    verbs = {"create": "model.manage", "*": "model.view"}
    queryset = Price.objects.none()
    filters = PriceFilter

    def get_queryset(self) -> QuerySet[Price]:
        return Price.objects.visible_to(self.actor)

    @extend_schema(request=SetPriceSerializer, responses={201: PriceSerializer})
    def create(self, request: Request) -> Response:
        """Set what a model costs the organization from a moment on."""
        form = SetPriceSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        rates = dict(form.validated_data)
        price = set_price(
            actor=self.actor,
            input_price=rates.pop("input"),
            cached_input_price=rates.pop("cached_input"),
            output_price=rates.pop("output"),
            **rates,
        )
        return Response(PriceSerializer(price).data, status=status.HTTP_201_CREATED)
