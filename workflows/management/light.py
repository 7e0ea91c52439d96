"""The app without its models: all that trying a flow from its file needs."""

from django.apps import AppConfig


class LightConfig(AppConfig):
    name = "workflows"

    def import_models(self) -> None:
        self.models = {}
