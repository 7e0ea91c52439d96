"""Pages of orgs: home, the organization and its members, API keys, traces."""

from django.urls import path

from orgs import key_views, trace_views, views, views_audit, views_sso, views_support

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
    path("organization/projects/<uuid:pk>/share/", views.share_project, name="project_share"),
    path("organization/support/", views_support.stays, name="support_stays"),
    path("organization/support/leave/", views_support.leave, name="support_leave"),
    path("organization/support/<uuid:pk>/end/", views_support.end, name="support_end"),
    path("keys/", key_views.keys, name="api_keys"),
    path("keys/new/", key_views.new_key, name="api_key_new"),
    path("keys/revoke-all/", key_views.revoke_all_keys, name="api_keys_revoke_all"),
    path("keys/<uuid:pk>/", key_views.key, name="api_key"),
    path("keys/<uuid:pk>/rotate/", key_views.rotate_key, name="api_key_rotate"),
    path("keys/<uuid:pk>/revoke/", key_views.revoke_key, name="api_key_revoke"),
    path("trace/", trace_views.trace, name="trace_search"),
    path("organization/sign-on/", views_sso.connections, name="sso_connections"),
    path("organization/sign-on/new/", views_sso.new, name="sso_new"),
    path("organization/sign-on/<uuid:pk>/", views_sso.edit, name="sso_edit"),
    path("organization/sign-on/<uuid:pk>/switch/", views_sso.switch, name="sso_switch"),
    path("organization/sign-on/<uuid:pk>/check/", views_sso.check, name="sso_check"),
    path("organization/sign-on/<uuid:pk>/delete/", views_sso.delete, name="sso_delete"),
    path("organization/sign-on/<uuid:pk>/domains/", views_sso.new_domain, name="sso_domain_new"),
    path("organization/sign-on/people/<str:pk>/release/", views_sso.release, name="sso_release"),
    path("organization/sign-on/domains/<uuid:pk>/verify/", views_sso.verify, name="sso_verify"),
    path("organization/sign-on/domains/<uuid:pk>/remove/", views_sso.remove, name="sso_remove"),
]
