from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "files"
    verbose_name = _("Files")

    def ready(self) -> None:
        from files import erasing
        from files.panels import archives_of
        from files.sources import register_source
        from files.trail import SOURCE
        from orgs.panels import register_danger_panel

        register_source(SOURCE)
        erasing.contribute()
        register_danger_panel("archives", "files/_archives.html", archives_of, 10)
