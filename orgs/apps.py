from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "orgs"
    verbose_name = _("Organizations")

    def ready(self) -> None:
        from accounts.signup import on_signup
        from orgs.actions import found_at_signup

        on_signup(found_at_signup)
