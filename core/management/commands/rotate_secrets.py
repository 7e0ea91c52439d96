"""Re-encrypt every stored secret with the first key of SECRET_KEYS."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandParser

from core.secrets import rotate, secret_fields


class Command(BaseCommand):
    """Run after a new key was put first; afterwards the old one can be removed. Repeatable."""

    help = "Re-encrypt every stored secret with the first key of SECRET_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=200, help="rows read at a time")

    def handle(self, *args: Any, **options: Any) -> None:
        for model in apps.get_models():
            for field in secret_fields(model):
                seen = written = 0
                for read, changed in rotate(field, options["batch"]):
                    seen += read
                    written += changed
                self.stdout.write(f"{field}: {seen} read, {written} re-encrypted")
