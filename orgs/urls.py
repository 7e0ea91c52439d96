"""Pages of orgs: home, the organization and what belongs to it, API keys, traces."""

from django.urls import path

from orgs import key_views, trace_views, views_audit, views_sso, views_support
from orgs.views import home, invitations, invited, members, organization, projects, teams

urlpatterns = [
    path("", home.home, name="home"),
    path("navigation/", home.navigation, name="navigation"),
    path("organizations/new/", home.new_organization, name="organization_new"),
    path("organization/switch/", home.switch_organization, name="organization_switch"),
    path("organization/", organization.organization, name="organization_settings"),
    path("organization/origins/", organization.set_origins, name="organization_origins"),
    path("organization/danger/", organization.danger, name="organization_danger"),
    path("organization/close/", organization.close, name="organization_close"),
    path("organization/keep/", organization.keep, name="organization_keep"),
    path("organization/transfer/", organization.transfer, name="organization_transfer"),
    path("organization/members/", members.members, name="organization_members"),
    path("organization/members/<uuid:pk>/", members.member, name="organization_member"),
    path("organization/members/<uuid:pk>/role/", members.change_role, name="member_role"),
    path("organization/members/<uuid:pk>/remove/", members.remove_member, name="member_remove"),
    path("organization/invitations/", invitations.invitations, name="organization_invitations"),
    path(
        "organization/invitations/<uuid:pk>/resend/", invitations.resend, name="invitation_resend"
    ),
    path(
        "organization/invitations/<uuid:pk>/revoke/", invitations.revoke, name="invitation_revoke"
    ),
    path("organization/teams/", teams.teams, name="organization_teams"),
    path("organization/teams/<uuid:pk>/", teams.team, name="organization_team"),
    path("organization/teams/<uuid:pk>/delete/", teams.delete_team, name="team_delete"),
    path("organization/teams/<uuid:pk>/members/", teams.add_person, name="team_add"),
    path("organization/team-members/<uuid:pk>/remove/", teams.remove_person, name="team_remove"),
    path("organization/team-members/<uuid:pk>/lead/", teams.lead, name="team_lead"),
    path("organization/projects/", projects.projects, name="organization_projects"),
    path("organization/projects/<uuid:pk>/", projects.project, name="organization_project"),
    path("organization/projects/<uuid:pk>/archive/", projects.archive, name="project_archive"),
    path(
        "organization/projects/<uuid:pk>/unarchive/", projects.unarchive, name="project_unarchive"
    ),
    path("organization/projects/<uuid:pk>/delete/", projects.delete, name="project_delete"),
    path("audit/", views_audit.trail, name="audit"),
    path("audit/statistics/", views_audit.statistics, name="audit_statistics"),
    path("audit/retention/", views_audit.retention, name="audit_retention"),
    path("audit/<str:pk>/", views_audit.entry, name="audit_entry"),
    path("organization/projects/<uuid:pk>/share/", projects.share, name="project_share"),
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
    path("invitation/", invited.invitation, name="invitation"),
    path("invitation/accept/", invited.accept, name="invitation_accept"),
    path("invitation/decline/", invited.decline, name="invitation_decline"),
    path("invitation/put-away/", invited.put_away, name="invitation_put_away"),
    path("invitation/<str:secret>/", invited.link, name="invitation_link"),
]
