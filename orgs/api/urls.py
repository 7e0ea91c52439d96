"""Routes of orgs."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from orgs.api import schema  # noqa: F401 - registers the authentication schemes
from orgs.api.audit import EntryViewSet, RetentionView
from orgs.api.keys import ApiKeyViewSet
from orgs.api.sharing import ProjectSharingView
from orgs.api.sso import SsoConnectionViewSet, SsoDomainViewSet, SsoIdentityViewSet
from orgs.api.support import SupportAccessViewSet
from orgs.api.trace import TraceView
from orgs.api.views import MemberViewSet, MeView, OrganizationView

router = SimpleRouter()
router.register("members", MemberViewSet, basename="member")
router.register("keys", ApiKeyViewSet, basename="key")
router.register("support-access", SupportAccessViewSet, basename="support-access")
router.register("audit", EntryViewSet, basename="audit")
router.register("sso/connections", SsoConnectionViewSet, basename="sso-connection")
router.register("sso/domains", SsoDomainViewSet, basename="sso-domain")
router.register("sso/identities", SsoIdentityViewSet, basename="sso-identity")
urlpatterns = [
    path("me/", MeView.as_view(), name="me"),
    path("organization/", OrganizationView.as_view(), name="organization"),
    path("audit/retention/", RetentionView.as_view(), name="audit-retention"),
    path("projects/<uuid:pk>/grants/", ProjectSharingView.as_view(), name="project-grants"),
    path("trace/<str:trace_id>/", TraceView.as_view(), name="trace"),
    *router.urls,
]
