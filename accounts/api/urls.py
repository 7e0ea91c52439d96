"""Routes of accounts."""

from django.urls import path
from django.views.generic import RedirectView

from accounts.api.views import AccountView, SecurityEventViewSet, SessionViewSet, headless_schema
from accounts.recovery_views import codes_endpoint

urlpatterns = [
    # Before allauth's own of the same address, which cannot write our translated labels.
    path("auth/openapi.json", headless_schema, name="headless-schema"),
    path("auth/openapi.yaml", RedirectView.as_view(pattern_name="headless-schema")),
    path("auth/app/v1/account/authenticators/recovery-codes", codes_endpoint),
    path("account/", AccountView.as_view(), name="account"),
    path(
        "account/sessions/",
        SessionViewSet.as_view({"get": "list", "delete": "end_others"}),
        name="account-sessions",
    ),
    path(
        "account/sessions/<str:pk>/",
        SessionViewSet.as_view({"delete": "destroy"}),
        name="account-session",
    ),
    path(
        "account/security-events/",
        SecurityEventViewSet.as_view({"get": "list"}),
        name="account-security-events",
    ),
]
