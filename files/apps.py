from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "files"
    verbose_name = _("Files")

    def ready(self) -> None:
        from files.sources import register_source
        from files.trail import SOURCE

        register_source(SOURCE)
