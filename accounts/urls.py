"""Pages of the personal centre; those that replace addresses of allauth stand before its own."""

from django.urls import path
from django.views.generic import RedirectView

from accounts import recovery_views, views

urlpatterns = [
    path("account/", views.profile, name="account_profile"),
    path("account/notifications/", views.notifications, name="account_notifications"),
    path(
        "account/notifications/off/<str:token>/",
        views.notification_off,
        name="account_notification_off",
    ),
    path("account/sessions/", views.sessions, name="account_sessions"),
    path("account/sessions/end/", views.end_sessions, name="account_sessions_end"),
    path("account/sessions/<str:pk>/end/", views.end_one_session, name="account_session_end"),
    path("account/security-log/", views.security_log, name="account_security_log"),
    path("account/close/", views.close, name="account_close"),
    path("i18n/setlang/", views.set_language, name="set_language"),
    path("accounts/2fa/recovery-codes/", recovery_views.codes_page),
    path("accounts/2fa/recovery-codes/download/", recovery_views.codes_file),
    path("accounts/sessions/", RedirectView.as_view(pattern_name="account_sessions")),
]
