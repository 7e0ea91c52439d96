"""config is installed for its commands (up, demo)."""

from django.apps import AppConfig


class Config(AppConfig):
    name = "config"
