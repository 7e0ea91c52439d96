"""Pages of orgs: home, the organization and its members, API keys."""

from django.urls import path

from orgs import views, views_audit

urlpatterns = [
    path("", views.home, name="home"),
    path("navigation/", views.navigation, name="navigation"),
    path("organization/", views.organization, name="organization_settings"),
    path("organization/switch/", views.switch_organization, name="organization_switch"),
    path("organization/origins/", views.set_origins, name="organization_origins"),
    path("organization/members/", views.add_member, name="member_add"),
    path("organization/members/<uuid:pk>/role/", views.change_role, name="member_role"),
    path("organization/members/<uuid:pk>/remove/", views.remove_member, name="member_remove"),
    path("audit/", views_audit.trail, name="audit"),
    path("audit/statistics/", views_audit.statistics, name="audit_statistics"),
    path("audit/retention/", views_audit.retention, name="audit_retention"),
    path("audit/<str:pk>/", views_audit.entry, name="audit_entry"),
    path("keys/", views.keys, name="api_keys"),
    path("keys/new/", views.new_key, name="api_key_new"),
    path("keys/<uuid:pk>/revoke/", views.revoke_key, name="api_key_revoke"),
]
