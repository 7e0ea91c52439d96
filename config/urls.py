"""All routes. Each room brings its own; `/v1` is served before Django (config/asgi.py)."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import JavaScriptCatalog
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config.health import healthz
from core.refusals import unserved

# Before `admin.site.urls` is read: otherwise a second factor would be skipped silently.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

handler400 = "core.refusals.bad_request"
handler403 = "core.refusals.permission_denied"
handler404 = "core.refusals.not_found"
handler500 = "core.refusals.server_error"

API_ROOMS = ("orgs", "billing", "bpm", "files", "llm", "workflows")
PAGE_ROOMS = ("orgs", "billing", "bpm", "files", "llm", "workflows")

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("favicon.ico", RedirectView.as_view(url="/static/ui/favicon.svg")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/v1/auth/app/v1/account/phone", unserved),  # no sign-in by telephone
    path("api/v1/auth/", include("allauth.headless.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("jsi18n/", JavaScriptCatalog.as_view(), name="javascript-catalog"),
    *(path("api/v1/", include(f"{room}.api.urls")) for room in API_ROOMS),
    *(path("", include(f"{room}.urls")) for room in PAGE_ROOMS),
]
