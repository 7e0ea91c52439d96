"""Pages of orgs: home, the organization and its members, API keys."""

from django.urls import path

from orgs import supportviews as support, views

urlpatterns = [
    path("", views.home, name="home"),
    path("navigation/", views.navigation, name="navigation"),
    path("organization/", views.organization, name="organization_settings"),
    path("organization/switch/", views.switch_organization, name="organization_switch"),
    path("organization/members/", views.add_member, name="member_add"),
    path("organization/members/<uuid:pk>/role/", views.change_role, name="member_role"),
    path("organization/members/<uuid:pk>/remove/", views.remove_member, name="member_remove"),
    path("organization/projects/<uuid:pk>/share/", views.share_project, name="project_share"),
    path("organization/support/", support.stays, name="support_stays"),
    path("organization/support/leave/", support.leave, name="support_leave"),
    path("organization/support/<uuid:pk>/end/", support.end, name="support_end"),
    path("keys/", views.keys, name="api_keys"),
    path("keys/new/", views.new_key, name="api_key_new"),
    path("keys/<uuid:pk>/revoke/", views.revoke_key, name="api_key_revoke"),
]
