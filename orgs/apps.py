from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "orgs"
    verbose_name = _("Organizations")

    def ready(self) -> None:
        from accounts.departure import on_departure
        from accounts.passwords import on_context_words
        from accounts.signup import on_signup
        from core.ui import connect_access, register_dashboard_kpi, register_nav
        from orgs import erasing
        from orgs.actions import found_at_signup
        from orgs.actions.departures import (
            check_owner_may_go,
            leave_everything,
            names_of_organizations,
        )
        from orgs.contents import count_live_keys, register_contents
        from orgs.shell import ShellAccess, count_people
        from orgs.tabs import register_tab

        on_signup(found_at_signup)
        on_departure(check_owner_may_go, leave_everything)
        on_context_words(names_of_organizations)
        erasing.contribute()
        register_contents("keys", count_live_keys)
        connect_access(ShellAccess())
        register_nav(_("Build"), _("Home"), "home", "home", 100)
        section = _("Organization")
        register_nav(section, _("API keys"), "key", "api_keys", 910, verb="key.manage")
        register_nav(section, _("Members"), "group", "organization_members", 920)
        register_nav(section, _("Audit trail"), "history", "audit", 930, verb="audit.view")
        register_nav(section, _("Organization"), "domain", "organization_settings", 940)
        register_tab(_("General"), "organization_settings", 10)
        register_tab(_("Members"), "organization_members", 20)
        register_tab(_("Invitations"), "organization_invitations", 30, verb="member.manage")
        register_tab(_("Teams"), "organization_teams", 40)
        register_tab(_("Projects"), "organization_projects", 50, verb="workflow.view")
        register_tab(_("Danger zone"), "organization_danger", 900)
        register_dashboard_kpi("people", count_people, 30)
