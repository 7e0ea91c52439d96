"""llm knows models and calls them, through the gateway only."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "llm"
    verbose_name = _("Models")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from core.ui import register_nav
        from llm import erasing

        erasing.contribute()
        register_nav(_("Build"), _("Models"), "neurology", "models", 150, verb="model.view")
