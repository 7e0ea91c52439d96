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
        from core.ui import connect_access
        from orgs import erasing, letters, shell, trail_sources
        from orgs.actions import found_at_signup
        from orgs.actions.departures import (
            check_owner_may_go,
            leave_everything,
            names_of_organizations,
        )
        from orgs.contents import count_live_keys, register_contents
        from orgs.shell import ShellAccess
        from orgs.sso import SsoDirectory

        trail_sources.contribute()
        on_signup(found_at_signup)
        connect_directory(SsoDirectory())
        on_departure(check_owner_may_go, leave_everything)
        on_context_words(names_of_organizations)
        erasing.contribute()
        letters.contribute()
        register_contents("keys", count_live_keys)
        connect_access(ShellAccess())
        shell.contribute()
