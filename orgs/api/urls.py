"""Routes of orgs."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from orgs.api import schema  # noqa: F401 - registers the authentication schemes
from orgs.api.audit import EntryViewSet, RetentionView
from orgs.api.invitations import InvitationViewSet, MyInvitationViewSet
from orgs.api.keys import ApiKeyViewSet
from orgs.api.members import MemberViewSet
from orgs.api.organizations import (
    CloseView,
    KeepView,
    MeView,
    OrganizationsViewSet,
    OrganizationView,
    TransferView,
)
from orgs.api.projects import ProjectViewSet
from orgs.api.sharing import ProjectSharingView
from orgs.api.sso import SsoConnectionViewSet, SsoDomainViewSet, SsoIdentityViewSet
from orgs.api.support import SupportAccessViewSet
from orgs.api.teams import TeamMemberViewSet, TeamViewSet
from orgs.api.trace import TraceView

router = SimpleRouter()
people = SimpleRouter(use_regex_path=False)
people.register("organizations", OrganizationsViewSet, basename="own-organization")
people.register("members", MemberViewSet, basename="member")
people.register("invitations/mine", MyInvitationViewSet, basename="my-invitation")
people.register("invitations", InvitationViewSet, basename="invitation")
people.register("teams", TeamViewSet, basename="team")
people.register("team-members", TeamMemberViewSet, basename="team-member")
people.register("projects", ProjectViewSet, basename="project")
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
    path("organization/close/", CloseView.as_view(), name="organization-close"),
    path("organization/keep/", KeepView.as_view(), name="organization-keep"),
    path("organization/transfer/", TransferView.as_view(), name="organization-transfer"),
    *people.urls,
    *router.urls,
]
