"""core has no tables; it is installed for its templates, tags and commands."""

from django.apps import AppConfig


class Config(AppConfig):
    name = "core"
