"""Pages of orgs: home, the organization and what belongs to it, invitations, API keys."""

from django.urls import path

from orgs import views_audit
from orgs.views import home, invitations, invited, keys, members, organization, projects, teams

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
    path("invitation/", invited.invitation, name="invitation"),
    path("invitation/accept/", invited.accept, name="invitation_accept"),
    path("invitation/decline/", invited.decline, name="invitation_decline"),
    path("invitation/put-away/", invited.put_away, name="invitation_put_away"),
    path("invitation/<str:secret>/", invited.link, name="invitation_link"),
    path("keys/", keys.keys, name="api_keys"),
    path("keys/new/", keys.new_key, name="api_key_new"),
    path("keys/<uuid:pk>/revoke/", keys.revoke_key, name="api_key_revoke"),
]
