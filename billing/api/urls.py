"""Routes of billing."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from billing.api.views import LedgerViewSet, PriceViewSet, TopUpView, UsageViewSet, WalletView

router = SimpleRouter()
router.register("ledger", LedgerViewSet, basename="ledger")
router.register("usage", UsageViewSet, basename="usage")
router.register("prices", PriceViewSet, basename="price")
urlpatterns = [
    path("wallet/", WalletView.as_view(), name="wallet"),
    path("wallet/top-up/", TopUpView.as_view(), name="wallet-top-up"),
    *router.urls,
]
