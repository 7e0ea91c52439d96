"""Routes of accounts."""

from django.urls import path

from accounts.api.views import AccountView, SecurityEventViewSet, SessionViewSet

urlpatterns = [
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
