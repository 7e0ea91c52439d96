from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "orgs"
    verbose_name = _("Organizations")

    def ready(self) -> None:
        from accounts.departure import on_departure
        from accounts.passwords import on_context_words
        from accounts.signup import on_signup
        from accounts.sso.directory import connect_directory
        from core.ui import connect_access, register_dashboard_kpi, register_nav
        from orgs import erasing, tabs, trail_sources
        from orgs.actions import found_at_signup
        from orgs.actions.departures import (
            check_owner_may_go,
            leave_everything,
            names_of_organizations,
        )
        from orgs.contents import count_live_keys, register_contents
        from orgs.shell import ShellAccess, count_people
        from orgs.sso import SsoDirectory

        trail_sources.contribute()
        on_signup(found_at_signup)
        connect_directory(SsoDirectory())
        on_departure(check_owner_may_go, leave_everything)
        on_context_words(names_of_organizations)
        erasing.contribute()
        register_contents("keys", count_live_keys)
        connect_access(ShellAccess())
        register_nav(_("Build"), _("Home"), "home", "home", 100)
        section = _("Organization")
        register_nav(_("Work"), _("Trace"), "timeline", "trace_search", 220)
        register_nav(section, _("API keys"), "key", "api_keys", 910, verb="key.create")
        register_nav(section, _("Members"), "group", "organization_members", 920)
        register_nav(section, _("Sign-on"), "passkey", "sso_connections", 925, verb="org.manage")
        register_nav(section, _("Audit trail"), "history", "audit", 930, verb="audit.view")
        register_nav(section, _("Organization"), "domain", "organization_settings", 940)
        register_nav(
            section, _("Support access"), "support_agent", "support_stays", 960, verb="support.view"
        )
        tabs.contribute()
        register_dashboard_kpi("people", count_people, 30, "accounts.view_user")
