"""All routes. Each room brings its own; `/v1` is served before Django (config/asgi.py)."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import JavaScriptCatalog
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.console import guard_console
from config.health import healthz
from config.metrics import metrics
from core.refusals import unserved
from orgs.views.trace import operator_trace

# Before `admin.site.urls` is read: otherwise a second factor would be skipped silently.
guard_console(admin.site)

handler400 = "core.refusals.bad_request"
handler403 = "core.refusals.permission_denied"
handler404 = "core.refusals.not_found"
handler500 = "core.refusals.server_error"

API_ROOMS = ("accounts", "orgs", "billing", "bpm", "files", "llm", "workflows")
PAGE_ROOMS = ("accounts", "orgs", "billing", "bpm", "files", "llm", "workflows")

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    path("favicon.ico", RedirectView.as_view(url="/static/ui/favicon.svg")),
    path("admin/trace/", admin.site.admin_view(operator_trace), name="admin_trace"),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("jsi18n/", JavaScriptCatalog.as_view(), name="javascript-catalog"),
    *(path("api/v1/", include(f"{room}.api.urls")) for room in API_ROOMS),
    *(path("", include(f"{room}.urls")) for room in PAGE_ROOMS),
    path("api/v1/auth/app/v1/account/phone", unserved),  # nobody signs in by telephone
    path("api/v1/auth/", include("allauth.headless.urls")),
    path("accounts/", include("allauth.urls")),
]
